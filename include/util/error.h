/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors that a person or a QMP client reads.
 *
 * A function that can fail for configuration, QMP or migration returns bool
 * or a pointer and takes a last argument "Error **errp", never NULL, pointing
 * to a NULL Error pointer. On failure it sets *errp and returns false (NULL);
 * on success it leaves *errp alone. The error_*() setters return false so that
 * "return error_set(errp, ...)" is the whole failure path.
 * System calls and the data path return -errno instead.
 *
 * Any thread may make errors; one Error belongs to one thread at a time.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

/* The classes that QMP clients see in "class". */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
    ERROR_CLASS__MAX,
} ErrorClass;

/* Set *errp to a GenericError with a message: one line, no newline. */
bool error_set(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool error_setv(Error **errp, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
bool error_set_class(Error **errp, ErrorClass cls, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* As error_set(), followed by ": " and the text of errno value @err (> 0). */
bool error_errno(Error **errp, int err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Put "text: " before the message of *errp, which must be set. */
bool error_prefix(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Append a hint, printed by error_report_err() after the message; lines end
 * with a newline. */
void error_hint(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
/*
 * Remember the one of the NULL-terminated @candidates that is nearest to
 * @word, if any is near: error_report_err() asks "did you mean 'X'?" on the
 * message's own line.
 */
void error_hint_nearest(Error **errp, const char *word,
                        const char *const *candidates);

/* Hand @err to *errp (takes ownership). Returns false. */
bool error_move(Error **errp, Error *err);

const char *error_text(const Error *err);
/* The word that error_hint_nearest() found, or NULL. */
const char *error_nearest(const Error *err);
/* The hint, or NULL. */
const char *error_hint_text(const Error *err);
ErrorClass error_class(const Error *err);
/* "GenericError", "DeviceNotFound", ... */
const char *error_class_name(ErrorClass cls);
Error *error_copy(const Error *err);
void error_free(Error *err);

/* autoerr Error *err = NULL; frees itself at the end of the scope. */
static inline void autoerr_cleanup(Error **errp)
{
    if (*errp) {
        error_free(*errp);
    }
}
#define autoerr __attribute__((cleanup(autoerr_cleanup)))

/*
 * An errp for calls that cannot fail: prints and aborts when one does. Only
 * for our own invariants, never where the guest or the user decides.
 */
extern Error *error_abort_slot;
#define error_abort (&error_abort_slot)

/* Print "PROG: message" and the hint to stderr (or the HMP session in whose
 * command the caller runs); frees @err. */
void error_report_err(Error *err);
void warn_report_err(Error *err);
/* Report without an Error. Text has no newline. */
void error_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
void warn_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
void info_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* At most one message a second per call site; for guest mistakes. */
#define warn_report_ratelimited(...)                                           \
    do {                                                                       \
        static int64_t last_report_;                                           \
        if (report_rate_ok(&last_report_)) {                                   \
            warn_report(__VA_ARGS__);                                          \
        }                                                                      \
    } while (0)
bool report_rate_ok(int64_t *last);

/* "-msg timestamp=on,guest-name=on"; call before threads start. */
void report_set_program(const char *argv0);
void report_set_timestamps(bool on);
void report_set_guest_name(const char *name_or_null);
/* Per-thread sink for reports, such as an HMP session; NULL for stderr. */
typedef void ReportSink(void *opaque, const char *text);
void report_set_thread_sink(ReportSink *sink, void *opaque);

#endif
