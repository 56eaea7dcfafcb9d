/* Send an image to `edge-mdda serve` on this machine and print its report, a line of JSON.
 *
 *     cc -O2 -o assess assess.c && ./assess photo.jpg [PORT]
 *
 * Ends with 0 and the report; with 1 and the service's own words where it refuses; with 2 where it is not reached. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LARGEST = 32 << 20, ANSWER = 1 << 20, SECONDS = 60 }; /* of an image, of an answer, of a wait */

static int fail(const char *what) {
    fprintf(stderr, "assess: %s: %s\n", what, errno ? strerror(errno) : "too large, empty or cut short");
    return 2;
}

static void send_all(int service, const char *data, size_t left) {
    ssize_t sent; /* where it stops reading it has answered already, and that is read next */
    for (; left > 0 && (sent = send(service, data, left, MSG_NOSIGNAL)) > 0; data += sent) left -= (size_t)sent;
}

int main(int argc, char **argv) {
    static char image[LARGEST + 1], answer[ANSWER + 1], head[256];
    if (argc < 2 || argc > 3) return fprintf(stderr, "usage: %s IMAGE [PORT]\n", argv[0]), 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file) return fail(argv[1]);
    size_t size = fread(image, 1, sizeof image, file), got = 0;
    if (ferror(file) || size == 0 || size > LARGEST) return fail(argv[1]);
    fclose(file);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)(argc == 3 ? atoi(argv[2]) : 8765));
    struct timeval patience = {.tv_sec = SECONDS};
    int service = socket(AF_INET, SOCK_STREAM, 0);
    if (service < 0 || connect(service, (struct sockaddr *)&address, sizeof address) != 0) return fail("connect");
    setsockopt(service, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

    const char *type = (unsigned char)image[0] == 0x89 ? "image/png" : "image/jpeg";
    int length = snprintf(head, sizeof head,
                          "POST /v1/assess HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, size);
    send_all(service, head, (size_t)length);
    send_all(service, image, size);

    ssize_t part; /* it closes the connection behind its answer */
    while (got < ANSWER && (part = recv(service, answer + got, ANSWER - got, 0)) > 0) got += (size_t)part;
    close(service);
    char *body = strstr(answer, "\r\n\r\n");
    int status = 0;
    if (!body || sscanf(answer, "HTTP/1.1 %d", &status) != 1) return fail("answer");
    fprintf(status == 200 ? stdout : stderr, "%s\n", body + 4);
    return status == 200 ? 0 : 1;
}
