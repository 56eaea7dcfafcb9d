/** The camera of the device that shows the page. */

/** Why there is no picture, by a word: "insecure", "refused", "none", "taken" or "failed". */
export class CameraProblem extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

const KINDS = {
  NotAllowedError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "taken",
};

export class Camera {
  #video;
  #stream = null;
  #lost;

  /** `video`: where the live picture goes; `lost`: called where the camera goes away by itself, as one unplugged. */
  constructor(video, lost) {
    this.#video = video;
    this.#lost = lost;
  }

  get on() {
    return this.#stream !== null;
  }

  /** Whether it may be started without anybody being asked. */
  static async permitted() {
    try {
      return (await navigator.permissions.query({ name: "camera" })).state === "granted";
    } catch {
      return false; // a browser that cannot tell
    }
  }

  /** Show the live picture of a camera, by default one that looks away from the screen. */
  async start(device = null) {
    // Browsers have cameras for pages of this very machine and of https alone.
    if (!navigator.mediaDevices) throw new CameraProblem("insecure");
    this.stop();
    // 4:3, as most images that the model learnt from: an image is squashed to a square, a wider one more so.
    const size = { width: { ideal: 1280 }, height: { ideal: 960 } };
    const which = device === null ? { facingMode: "environment" } : { deviceId: { exact: device } };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...which } });
      this.#video.srcObject = this.#stream;
      await this.#video.play();
    } catch (error) {
      this.stop();
      throw new CameraProblem(KINDS[error.name] ?? "failed");
    }
    for (const track of this.#stream.getVideoTracks()) {
      track.addEventListener("ended", () => {
        this.stop();
        this.#lost();
      });
    }
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }

  /** The present picture as PNG, which loses nothing of it. */
  take() {
    const canvas = document.createElement("canvas");
    canvas.width = this.#video.videoWidth;
    canvas.height = this.#video.videoHeight;
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new CameraProblem("failed"))), "image/png");
    });
  }

  /** The cameras there are, [{id, name}], and which one is shown; names are known only while one is on. */
  async list() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const shown = this.#stream?.getVideoTracks()[0]?.getSettings().deviceId;
    const cameras = devices.filter((device) => device.kind === "videoinput");
    return { shown, cameras: cameras.map((device) => ({ id: device.deviceId, name: device.label })) };
  }
}
