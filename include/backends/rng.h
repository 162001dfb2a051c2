/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources of random bytes: "-object rng-random" (a file) and "rng-builtin" (the
 * host kernel). Requests are served in order on the main loop. Machine lock.
 */
#ifndef BACKENDS_RNG_H
#define BACKENDS_RNG_H

#include "qom/object.h"
#include "util/loop.h"

/* Most bytes of one request. */
#define RNG_REQUEST_MAX 65536

/* @buf is lent. Called from the loop, never from rng_request(). */
typedef void RngDone(void *opaque, const uint8_t *buf, size_t len);

typedef struct RngRequest RngRequest;
typedef struct RngBackend {
    Object obj;
    Vm *vm;
    bool opened;
    GQueue requests; /* RngRequest * */
} RngBackend;

typedef struct RngBackendClass {
    OBJECT_CLASS_FIELDS
    bool (*open)(RngBackend *b, Error **errp);
    /* The queue became longer: rng_deliver() when there are bytes. */
    void (*wanted)(RngBackend *b);
} RngBackendClass;

QOM_DECLARE_TYPE(RngBackend, rng_backend)
extern const ObjectType rng_builtin_type;

/* Open a backend that was not made by -object. */
bool rng_open(RngBackend *b, Vm *vm, Error **errp);
/* Ask for @len (up to RNG_REQUEST_MAX) bytes; one call of @done with at least
 * one byte. */
void rng_request(RngBackend *b, size_t len, RngDone *done, void *opaque);
/* Forget the requests with that @opaque. */
void rng_cancel(RngBackend *b, void *opaque);

/* For backends: how much the first request wants (0: there is none), and
 * bytes for it. */
size_t rng_wanted(const RngBackend *b);
void rng_deliver(RngBackend *b, const uint8_t *buf, size_t len);

#endif
