/** The service, as the page talks to it: one function a call, and one kind of error for all that can go wrong. */

import { ask as askForToken, token } from "./token.js";

// Far beyond what the slowest board needs for one image; the service has a limit of its own, below this.
const PATIENCE_MS = 120_000;

/**
 * What went wrong with a request.
 *
 * `kind`: an HTTP status, "offline" where there was no answer, "garbled" where it was not understood, "cancelled", or
 * "impatient" where it took too long. `detail`: what the service says of it. `wait`: seconds until it can be tried
 * again, null if it did not say.
 */
export class Problem extends Error {
  constructor(kind, detail = "", wait = null) {
    super(`${kind} ${detail}`);
    Object.assign(this, { kind: String(kind), detail, wait });
  }
}

/** Name, version, hash, labels and limits of the model that answers. */
export async function model() {
  return parse(await request("v1/model"));
}

/** Whether the service is there, and ready. */
export async function health() {
  return parse(await request("v1/health", { allowed: [503] }));
}

/** The report on an image, see edge_mdda/report.py; its seed is a string, for it may be more than a number holds. */
export async function assess(image, signal) {
  return parse(await request("v1/assess", { image, signal }));
}

/** The picture as `assess` classified it: squashed to the model's size. */
export async function fitted(image, signal) {
  return (await request("v1/purify?size=model&purify=never", { image, signal })).blob();
}

/** The picture that `assess` classified after purification: the same parameters and noise, so the same pixels. */
export async function purified(image, { seed }, signal) {
  return (await request(`v1/purify?size=model&seed=${seed}`, { image, signal })).blob();
}

async function parse(answer) {
  try {
    return JSON.parse((await answer.text()).replace(/"seed":\s*(\d+)/, '"seed": "$1"'));
  } catch {
    throw new Problem("garbled");
  }
}

async function request(path, { image = null, signal = null, allowed = [] } = {}) {
  const headers = image === null ? {} : { "Content-Type": image.type || "application/octet-stream" };
  const sent = token();
  if (sent !== null) headers.Authorization = `Bearer ${sent}`;
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let answer;
  try {
    answer = await fetch(path, {
      method: image === null ? "GET" : "POST",
      headers,
      body: image,
      signal: signal === null ? patience : AbortSignal.any([signal, patience]),
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch {
    if (signal?.aborted) throw new Problem("cancelled");
    throw new Problem(patience.aborted ? "impatient" : "offline");
  }
  if (answer.ok || allowed.includes(answer.status)) return answer;
  if (answer.status === 401) {
    // Another request may have asked for the token meanwhile.
    const given = token() !== sent || (await askForToken());
    if (given) return request(path, { image, signal, allowed });
  }
  throw new Problem(answer.status, await detail(answer), seconds(answer.headers.get("Retry-After")));
}

async function detail(answer) {
  try {
    const { detail, error } = await answer.json();
    return String(detail ?? error ?? "");
  } catch {
    return "";
  }
}

/** What a Retry-After header says, in seconds; it may be a date as well. */
function seconds(header) {
  if (header === null) return null;
  const found = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(found) ? Math.max(0, Math.ceil(found)) : null;
}
