/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module block-curl: ranges of a resource by libcurl, with what comes after
 * them read ahead. The resource must not change while it is used.
 * Spec: RFC 9110, 14 (ranges); libcurl's manual.
 */
#include "util/osdep.h"

#include <curl/curl.h>

#include "block/remote/remote-module.h"

/* A transfer that is slower than this for @timeout has stopped. */
#define SLOWEST 1

typedef struct Handle {
    CURL *curl;
    const CurlParams *params;
    uint64_t size;
    bool ranges; /* the server said that it has them */
    char error[CURL_ERROR_SIZE];
    /* What the last transfer brought, and where it goes. */
    uint8_t *data;
    size_t len, room;
    uint64_t offset;
} Handle;

static size_t take_data(char *data, size_t size, size_t n, void *opaque)
{
    Handle *h = opaque;

    if (size * n > h->room - h->len) {
        return 0; /* more than was asked for: ends the transfer */
    }
    memcpy(h->data + h->len, data, size * n);
    h->len += size * n;
    return size * n;
}

static size_t take_header(char *line, size_t size, size_t n, void *opaque)
{
    static const char name[] = "accept-ranges:";
    Handle *h = opaque;
    const char *p = line + sizeof(name) - 1, *end = line + size * n;

    if (size * n > 5 && !memcmp(line, "HTTP/", 5)) {
        h->ranges = false; /* that before was a redirection */
    }
    if (size * n > sizeof(name) &&
        !g_ascii_strncasecmp(line, name, sizeof(name) - 1)) {
        while (p < end && g_ascii_isspace(*p)) {
            p++;
        }
        h->ranges |= end - p >= 5 && !g_ascii_strncasecmp(p, "bytes", 5);
    }
    return size * n;
}

static void set_up(Handle *h)
{
    const CurlParams *p = h->params;
    CURL *c = h->curl;

    curl_easy_setopt(c, CURLOPT_URL, p->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https,ftp,ftps");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, p->sslverify ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, p->sslverify ? 2L : 0L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)p->timeout);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)p->timeout);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    /* NULL leaves any of them as it is. */
    curl_easy_setopt(c, CURLOPT_COOKIE, p->cookie);
    curl_easy_setopt(c, CURLOPT_USERNAME, p->username);
    curl_easy_setopt(c, CURLOPT_PASSWORD, p->password);
    curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, p->proxy_username);
    curl_easy_setopt(c, CURLOPT_PROXYPASSWORD, p->proxy_password);
}

static const char *message(const Handle *h, CURLcode code)
{
    return *h->error ? h->error : curl_easy_strerror(code);
}

/* How long it is, and whether parts of it can be had. */
static char *look(Handle *h)
{
    curl_off_t size = -1;
    const char *scheme = NULL;
    CURLcode code;

    curl_easy_setopt(h->curl, CURLOPT_NOBODY, 1L);
    code = curl_easy_perform(h->curl);
    if (code != CURLE_OK) {
        return g_strdup_printf("CURL: Error opening file: %s",
                               message(h, code));
    }
    curl_easy_setopt(h->curl, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    curl_easy_getinfo(h->curl, CURLINFO_SCHEME, &scheme);
    if (size < 0) {
        return g_strdup("Server didn't report file size.");
    }
    if (scheme && !g_ascii_strncasecmp(scheme, "http", 4) && !h->ranges) {
        return g_strdup("Server does not support 'range' (byte ranges).");
    }
    h->size = size;
    return NULL;
}

static void close_handle(void *opaque)
{
    Handle *h = opaque;

    curl_easy_cleanup(h->curl);
    g_free(h->data);
    g_free(h);
}

static void *open_handle(const void *params, bool writable, RemoteInfo *info,
                         char **error)
{
    static gsize once;
    Handle *h = g_new0(Handle, 1);

    if (g_once_init_enter(&once)) {
        curl_global_init(CURL_GLOBAL_ALL);
        g_once_init_leave(&once, 1);
    }
    h->params = params;
    h->curl = curl_easy_init();
    if (h->curl) {
        set_up(h);
        *error = look(h);
    } else {
        *error = g_strdup("CURL: out of memory");
    }
    if (*error) {
        close_handle(h);
        return NULL;
    }
    *info =
        (RemoteInfo){ .size = h->size, .block = 1, .max_transfer = 4 << 20 };
    return h;
}

/* Have @len bytes at @offset, and what is to be read ahead, in the buffer. */
static int fetch(Handle *h, size_t len, uint64_t offset)
{
    uint64_t end = MIN(offset + len + h->params->readahead, h->size);
    char range[64];
    long status = 0;
    CURLcode code;

    if (offset + len > h->size) {
        return -EIO; /* shorter than when the disk was opened */
    }
    if (end - offset > h->room) {
        g_free(h->data);
        h->room = end - offset;
        h->data = g_try_malloc(h->room);
        if (!h->data) {
            h->room = h->len = 0;
            return -ENOMEM;
        }
    }
    h->len = 0;
    h->offset = offset;
    snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, offset, end - 1);
    curl_easy_setopt(h->curl, CURLOPT_RANGE, range);
    code = curl_easy_perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    /* An HTTP server may ignore the range and send everything (200). */
    if (code != CURLE_OK || h->len != end - offset ||
        (status == 200 && end - offset != h->size)) {
        h->len = 0;
        return -EIO;
    }
    return 0;
}

static int read_handle(void *opaque, void *buf, size_t len, uint64_t offset)
{
    Handle *h = opaque;
    int ret = 0;

    if (offset < h->offset || offset + len > h->offset + h->len) {
        ret = fetch(h, len, offset);
    }
    if (!ret) {
        memcpy(buf, h->data + (offset - h->offset), len);
    }
    return ret;
}

const RemoteOps nemu_curl_ops = {
    .open = open_handle,
    .close = close_handle,
    .read = read_handle,
};
