/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module block-ssh: a file on an SFTP server, by libssh.
 * Spec: draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL, "fsync@openssh.com".
 */
#include "util/osdep.h"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>

#include "block/remote/remote-module.h"
#include "qapi/qapi-types-block-core.h"

/* What every server takes in one packet. */
#define PACKET_MAX 32768

typedef struct Handle {
    ssh_session session;
    sftp_session sftp;
    sftp_file file;
    bool writable;
} Handle;

static char *session_error(Handle *h, const char *what)
{
    return g_strdup_printf("%s: %s", what, ssh_get_error(h->session));
}

/* Whether the server is the one that is meant --------------------------------
 */

static char *check_known_hosts(Handle *h, const SshParams *p)
{
    switch (ssh_session_is_known_server(h->session)) {
    case SSH_KNOWN_HOSTS_OK:
        return NULL;
    case SSH_KNOWN_HOSTS_CHANGED:
        return g_strdup_printf("host key of %s does not match the one in "
                               "known_hosts; someone may be in between",
                               p->host);
    case SSH_KNOWN_HOSTS_OTHER:
        return g_strdup_printf("host key of %s was not found, another type of "
                               "key exists",
                               p->host);
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN:
        return g_strdup_printf("no host key was found in known_hosts for %s",
                               p->host);
    default:
        return session_error(h, "cannot check the host key");
    }
}

static bool same_fingerprint(const unsigned char *hash, size_t len,
                             const char *text)
{
    for (size_t i = 0; i < len; i++) {
        int high, low;

        text += *text == ':';
        high = g_ascii_xdigit_value(text[0]);
        low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);
        if (low < 0 || hash[i] != (high << 4 | low)) {
            return false;
        }
        text += 2;
    }
    return !*text;
}

/* The key it has in truth is told: whoever knows it to be right can use it. */
static char *wrong_fingerprint(ssh_key key, const SshParams *p,
                               const unsigned char *hash, size_t len)
{
    const char *type = p->hash_type == SSH_HOST_KEY_CHECK_HASH_TYPE_MD5 ? "md5"
                       : p->hash_type == SSH_HOST_KEY_CHECK_HASH_TYPE_SHA1
                           ? "sha1"
                           : "sha256";
    GString *s = g_string_new(NULL);

    g_string_printf(s, "remote host %s key fingerprint '%s:",
                    ssh_key_type_to_char(ssh_key_type(key)), type);
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(s, "%02x", hash[i]);
    }
    g_string_append_printf(s, "' does not match host_key_check '%s:%s'", type,
                           p->fingerprint);
    return g_string_free(s, FALSE);
}

static char *check_hash(Handle *h, const SshParams *p)
{
    enum ssh_publickey_hash_type type =
        p->hash_type == SSH_HOST_KEY_CHECK_HASH_TYPE_MD5
            ? SSH_PUBLICKEY_HASH_MD5
        : p->hash_type == SSH_HOST_KEY_CHECK_HASH_TYPE_SHA1
            ? SSH_PUBLICKEY_HASH_SHA1
            : SSH_PUBLICKEY_HASH_SHA256;
    unsigned char *hash = NULL;
    size_t len = 0;
    ssh_key key = NULL;
    char *error = NULL;

    if (ssh_get_server_publickey(h->session, &key) != SSH_OK) {
        return session_error(h, "failed to read remote host key");
    }
    if (ssh_get_publickey_hash(key, type, &hash, &len)) {
        error = session_error(h, "failed reading the hash of the server SSH "
                                 "key");
    } else if (!same_fingerprint(hash, len, p->fingerprint)) {
        error = wrong_fingerprint(key, p, hash, len);
    }
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return error;
}

static char *check_server(Handle *h, const SshParams *p)
{
    switch (p->check) {
    case SSH_CHECK_HASH:
        return check_hash(h, p);
    case SSH_CHECK_KNOWN_HOSTS:
        return check_known_hosts(h, p);
    default:
        return NULL;
    }
}

/* Connecting -----------------------------------------------------------------
 */

static char *authenticate(Handle *h)
{
    int ret = ssh_userauth_none(h->session, NULL);

    if (ret == SSH_AUTH_DENIED &&
        (ssh_userauth_list(h->session, NULL) & SSH_AUTH_METHOD_PUBLICKEY)) {
        ret = ssh_userauth_publickey_auto(h->session, NULL, NULL);
    }
    return ret == SSH_AUTH_SUCCESS
               ? NULL
               : session_error(h, "failed to authenticate using publickey "
                                  "authentication and the identities held by "
                                  "your ssh-agent");
}

static char *connect_session(Handle *h, const SshParams *p)
{
    char *error = NULL;
    int fd = p->connect(p->server, &error);

    if (fd < 0) {
        return error;
    }
    h->session = ssh_new();
    if (!h->session || ssh_options_set(h->session, SSH_OPTIONS_FD, &fd)) {
        close(fd);
        return g_strdup("failed to initialize libssh session");
    }
    if (ssh_options_set(h->session, SSH_OPTIONS_HOST, p->host) ||
        (p->user && ssh_options_set(h->session, SSH_OPTIONS_USER, p->user)) ||
        ssh_options_parse_config(h->session, NULL) ||
        ssh_options_set(h->session, SSH_OPTIONS_PORT_STR, p->port)) {
        close(fd); /* only a session that connects closes it */
        return session_error(h, "failed to set up the ssh session");
    }
    if (ssh_connect(h->session) != SSH_OK) {
        return session_error(h, "failed to establish ssh session");
    }
    error = check_server(h, p);
    return error ? error : authenticate(h);
}

static char *open_path(Handle *h, const SshParams *p, int flags)
{
    h->sftp = sftp_new(h->session);
    if (!h->sftp || sftp_init(h->sftp)) {
        return session_error(h, "failed to create sftp handle");
    }
    h->file = sftp_open(h->sftp, p->path, flags, 0644);
    return h->file ? NULL
                   : g_strdup_printf("failed to open remote file '%s': %s "
                                     "(libssh error code: %d, sftp error "
                                     "code: %d)",
                                     p->path, ssh_get_error(h->session),
                                     ssh_get_error_code(h->session),
                                     sftp_get_error(h->sftp));
}

static char *open_file(Handle *h, const SshParams *p, uint64_t *size)
{
    sftp_attributes attr;
    char *error = open_path(h, p, h->writable ? O_RDWR : O_RDONLY);

    if (error) {
        return error;
    }
    attr = sftp_fstat(h->file);
    if (!attr) {
        return session_error(h, "failed to read file attributes");
    }
    *size = attr->size;
    sftp_attributes_free(attr);
    return NULL;
}

static void close_handle(void *opaque)
{
    Handle *h = opaque;

    if (h->file) {
        sftp_close(h->file);
    }
    if (h->sftp) {
        sftp_free(h->sftp);
    }
    if (h->session) {
        ssh_disconnect(h->session);
        ssh_free(h->session);
    }
    g_free(h);
}

static void *open_handle(const void *params, bool writable, RemoteInfo *info,
                         char **error)
{
    Handle *h = g_new0(Handle, 1);

    *info = (RemoteInfo){ .block = 1, .max_transfer = 4 << 20 };
    h->writable = writable;
    *error = connect_session(h, params);
    if (!*error) {
        *error = open_file(h, params, &info->size);
    }
    if (*error) {
        close_handle(h);
        return NULL;
    }
    return h;
}

/* Requests -------------------------------------------------------------------
 */

static int read_handle(void *opaque, void *buf, size_t len, uint64_t offset)
{
    Handle *h = opaque;

    if (sftp_seek64(h->file, offset)) {
        return -EIO;
    }
    for (size_t done = 0; done < len;) {
        ssize_t got =
            sftp_read(h->file, (char *)buf + done, MIN(len - done, PACKET_MAX));

        if (got <= 0) {
            return -EIO;
        }
        done += got;
    }
    return 0;
}

static int write_handle(void *opaque, const void *buf, size_t len,
                        uint64_t offset)
{
    Handle *h = opaque;

    if (sftp_seek64(h->file, offset)) {
        return -EIO;
    }
    for (size_t done = 0; done < len;) {
        ssize_t put = sftp_write(h->file, (const char *)buf + done,
                                 MIN(len - done, PACKET_MAX));

        if (put <= 0) {
            return -EIO;
        }
        done += put;
    }
    return 0;
}

static int flush_handle(void *opaque)
{
    Handle *h = opaque;

    /* A server without it promises nothing anyway. */
    if (!sftp_extension_supported(h->sftp, "fsync@openssh.com", "1")) {
        return 0;
    }
    return sftp_fsync(h->file) ? -EIO : 0;
}

static int truncate_handle(void *opaque, uint64_t size)
{
    Handle *h = opaque;
    sftp_attributes attr = sftp_fstat(h->file);
    bool grows = attr && size > attr->size, same = attr && size == attr->size;

    sftp_attributes_free(attr);
    if (grows) {
        return write_handle(h, "", 1, size - 1);
    }
    return !attr ? -EIO : same ? 0 : -ENOTSUP;
}

static char *create_file(const void *params, uint64_t size, const void *how)
{
    Handle *h = g_new0(Handle, 1);
    char *error = connect_session(h, params);

    if (!error) {
        error = open_path(h, params, O_RDWR | O_CREAT | O_TRUNC);
    }
    if (!error && size && write_handle(h, "", 1, size - 1)) {
        error = session_error(h, "Failed to grow file");
    }
    close_handle(h);
    return error;
}

const RemoteOps nemu_ssh_ops = {
    .open = open_handle,
    .close = close_handle,
    .read = read_handle,
    .write = write_handle,
    .flush = flush_handle,
    .truncate = truncate_handle,
    .create = create_file,
};
