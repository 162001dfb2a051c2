/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qcow2 driver's inside.
 * Spec: docs/interop/qcow2.txt of QEMU 7.2, "the qcow2 specification" below.
 *
 * Concurrency: requests look clusters up without a lock (cached L2 tables are
 * read with atomic loads) inside an epoch; whatever changes metadata holds
 * s->lock, a coroutine mutex. Guest data is read and written without it, so
 * that allocating writes to different clusters run in parallel: each in-flight
 * allocation is on s->allocs, and who touches the same clusters waits. A
 * cluster that is taken out of use is freed only a grace period later.
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include <endian.h>

#include "block/block-create.h"
#include "block/block-node.h"
#include "util/co-epoch.h"
#include "util/loop.h"

#define QC_MAGIC 0x514649fbu

enum {
    QC_INCOMPAT_DIRTY = 1,
    QC_INCOMPAT_CORRUPT = 2,
    QC_INCOMPAT_DATA_FILE = 4,
    QC_INCOMPAT_COMPRESSION = 8,
    QC_INCOMPAT_EXTL2 = 16,
    QC_COMPAT_LAZY = 1,
    QC_AUTOCLEAR_BITMAPS = 1,
    QC_AUTOCLEAR_RAW_DATA = 2,
};

enum {
    QC_COMPRESSION_DEFLATE = 0,
    QC_COMPRESSION_ZSTD = 1,
};

#define QC_EXT_END            0u
#define QC_EXT_BACKING_FORMAT 0xe2792acau
#define QC_EXT_FEATURE_NAMES  0x6803f857u
#define QC_EXT_CRYPTO         0x0537be77u
#define QC_EXT_BITMAPS        0x23852875u
#define QC_EXT_DATA_FILE      0x44415441u

#define QC_COPIED             BIT(63)
#define QC_COMPRESSED         BIT(62)
#define QC_ZERO               BIT(0)
#define QC_OFFSET_MASK        UINT64_C(0x00fffffffffffe00)

/* Limits of what we open; those of QEMU 7.2 as far as it shows them. */
/* Of an extended L2 entry. */
#define QC_SUBCLUSTERS        32
#define QC_ALL_SUBCLUSTERS    UINT64_C(0xffffffff)

#define QC_MIN_CLUSTER_BITS   9
#define QC_MAX_CLUSTER_BITS   21
#define QC_MIN_EXTENDED_BITS  14 /* with subclusters */
#define QC_MAX_L1_BYTES       (32 * MiB)
#define QC_MAX_REFTABLE_BYTES (8 * MiB)
#define QC_MAX_SNAPSHOTS      65536u
#define QC_MAX_HOST_OFFSET    (UINT64_C(1) << 56)

enum {
    QC_CRYPT_NONE = 0,
    QC_CRYPT_AES = 1,
    QC_CRYPT_LUKS = 2,
};

typedef struct QcHeader {
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_size;
    uint32_t cluster_bits;
    uint64_t size;
    uint32_t crypt_method; /* QC_CRYPT_* */
    uint32_t l1_size;
    uint64_t l1_offset;
    uint64_t reftable_offset;
    uint32_t reftable_clusters;
    uint32_t nb_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompat, compat, autoclear;
    uint32_t refcount_order;
    uint32_t header_length;
    uint8_t compression; /* QC_COMPRESSION_* */
} QcHeader;

/* Metadata cache
 * --------------------------------------------------------------- */

typedef struct QcTable QcTable;
typedef struct QcCache QcCache;

/* What one cached piece of metadata holds: big-endian, as on disk. */
struct QcTable {
    uint64_t offset; /* in the file; 0: unused entry */
    unsigned refs;
    bool dirty, loading;
    bool recent;   /* used since the search for room came by */
    bool listed;   /* on the list of dirty tables */
    unsigned seq;  /* atomic; odd while an extended entry is being changed */
    uint64_t used; /* the cache's clock */
    QcTable *next; /* in the hash bucket */
    QcTable *next_dirty;
    void *data; /* NULL: never used or cleaned */
};

typedef struct QcowState QcowState;

QcCache *qc_cache_new(QcowState *s, size_t entry_size, unsigned entries,
                      int load_event, int update_event);
void qc_cache_free(QcCache *c);
/*
 * The table at @offset, read from the file unless @fresh (then zeroed, and the
 * caller holds s->lock). One reference. @locked: the caller holds s->lock,
 * else it may be taken to make room. 0 or -errno.
 */
int coroutine_fn qc_cache_get(QcCache *c, uint64_t offset, bool fresh,
                              bool locked, QcTable **table);
void qc_cache_put(QcCache *c, QcTable *t);
/* s->lock held: the content was changed. */
void qc_cache_dirty(QcCache *c, QcTable *t);
/* s->lock held: before @c's changes reach the disk, @dep's must be there. */
int coroutine_fn qc_cache_depend(QcCache *c, QcCache *dep);
/* s->lock held: before @c's changes reach the disk, all data must. */
void qc_cache_depend_on_data(QcCache *c);
/* s->lock held: write out all changes; not yet a flush of the file. */
int coroutine_fn qc_cache_flush(QcCache *c);
/* The same, and what was changed is on stable storage. */
int coroutine_fn qc_cache_flush_durable(QcCache *c);
/* s->lock held: the cluster at @offset is no table any more. */
void qc_cache_forget(QcCache *c, uint64_t offset, uint64_t bytes);
/* Give back memory of clean tables not used since the last call. Any time. */
void qc_cache_clean(QcCache *c);

/* State
 * ------------------------------------------------------------------------- */

typedef struct QcAlloc QcAlloc;

/* Clusters that a request is filling; lives on its stack. */
struct QcAlloc {
    int64_t guest; /* offset of the first cluster */
    int64_t bytes;
    CoQueue waiters; /* s->alloc_lock */
    QcAlloc *next;
};

/* Dirty bitmaps in the image; see qcow2-bitmap.h. */
typedef struct QcBitmaps {
    uint32_t count; /* of the header extension; 0: there is none */
    uint64_t size, offset;
    GPtrArray *list; /* QcBitmap *: the directory, as on disk; lock */
    bool keep;       /* we may change them, and store them in the end; lock */
} QcBitmaps;

/* A snapshot's L1 table. */
typedef struct QcInactive {
    uint64_t l1_offset;
    uint32_t l1_size;
} QcInactive;

/* qcow2-crypt.c: encrypted images. */
typedef struct QcCrypt {
    struct CryptoSectors *data; /* NULL: not encrypted, or not unlocked */
    struct Luks *luks;          /* NULL: none */
    uint64_t offset, length;    /* of its header in the file */
} QcCrypt;

struct QcowState {
    BlockNode *n;
    QcHeader h;             /* as on disk, host byte order; s->lock */
    GByteArray *extensions; /* those we do not know, as on disk */
    QcBitmaps bitmaps;
    char *backing_name, *backing_format; /* NULL: none */
    char *data_name;                     /* of the data file; NULL: not told */
    QcCrypt crypt;                       /* const after open */
    /* From the header; const after open. */
    bool extended;        /* L2 entries with subclusters */
    bool external;        /* the guest's data lies in a file of its own */
    bool raw_data;        /* which is also a raw image of the disk */
    BlockEdge *data_file; /* NULL: the guest's data is in n->file */

    bool file_has_holes;  /* atomic: what the host said last */
    unsigned holes_asked; /* atomic */
    unsigned cluster_bits;
    int64_t cluster_size;
    unsigned sub_bits; /* of a subcluster; all of a cluster if there are none */
    int64_t sub_size;
    unsigned entry_bits;    /* bytes of an L2 entry, log2 */
    unsigned l2_bits;       /* entries of an L2 table, log2 */
    unsigned slice_bits;    /* entries of a cached piece of it, log2 */
    unsigned refblock_bits; /* entries of a refcount block, log2 */

    CoMutex lock;
    uint64_t
        *l1; /* host byte order; entries written under lock, read any time */
    uint64_t *reftable; /* host byte order; lock */
    uint32_t reftable_size;
    uint32_t reftable_used; /* no entry from there on; lock, read any time */
    struct QcFilter *l2_filter, *refblock_filter; /* of both; lock, RCU */
    QcCache *l2c, *rbc;
    unsigned overlap;         /* QC_OVERLAP_* to look for */
    GArray *inactive;         /* QcInactive; NULL: no snapshots */
    uint64_t snapshots_bytes; /* of the table of snapshots */
    uint64_t free_index; /* no free cluster below; lock */
    int64_t free_byte;   /* where compressed streams go on, or 0; lock */
    CoEpoch epoch;

    Mutex alloc_lock;
    QcAlloc *allocs; /* alloc_lock */

    bool lazy;         /* refcounts may lag behind, the dirty bit says so */
    bool corrupt;      /* atomic: refuse to write */
    bool told_corrupt; /* atomic */
    bool discard_request, discard_snapshot, discard_other, discard_no_unref;
    LoopTimer clean_timer;
    int64_t clean_interval_ns;
};

/* Where the VM state lies: behind all that L1 entries of the disk cover. */
static inline int64_t qc_vmstate_offset(const QcowState *s)
{
    return ALIGN_UP((int64_t)s->h.size,
                    (int64_t)BIT(s->l2_bits + s->cluster_bits));
}

/* Is what is not allocated at @offset in the backing file? That of the VM state
 * is not, whatever a longer backing file has there. */
static inline bool qc_has_backing(const QcowState *s, int64_t offset)
{
    return s->n->backing && offset < qc_vmstate_offset(s);
}

static inline int64_t qc_into_cluster(const QcowState *s, int64_t offset)
{
    return offset & (s->cluster_size - 1);
}

static inline int64_t qc_cluster_start(const QcowState *s, int64_t offset)
{
    return offset & ~(s->cluster_size - 1);
}

/* Where the guest's data is, at the offsets that L2 entries tell. */
static inline BlockNode *qc_data_node(const QcowState *s)
{
    return s->data_file ? s->data_file->node : s->n->file->node;
}

/* qcow2-options.c: what may change while the image is open. */
typedef struct BlockdevOptionsQcow2 BlockdevOptionsQcow2;
typedef struct QcOptions {
    bool lazy, discard_request, discard_snapshot, discard_other;
    bool discard_no_unref;
    unsigned overlap;
    QcCache *l2c, *rbc;
    unsigned slice_bits;
    int64_t clean_interval_ns;
} QcOptions;
/* Check @o and make what it asks for, without a change to @s. */
bool qc_options_prepare(QcowState *s, const BlockdevOptionsQcow2 *o,
                        const BlockOpenFlags *flags, QcOptions *opt,
                        Error **errp);
/* Take @opt over; the old caches must be clean and unused. */
void qc_options_apply(QcowState *s, QcOptions *opt);
void qc_options_drop(QcOptions *opt); /* or not */

/* The next step is @event: for blkdebug below. */
static inline void qc_event(QcowState *s, int event)
{
    node_event(s->n->file->node, event);
}

/* qcow2-crypt.c */
typedef struct BlockdevQcow2Encryption BlockdevQcow2Encryption;
typedef struct ImageInfoSpecificQCow2Encryption
    ImageInfoSpecificQCow2Encryption;
bool qc_crypt_take_extension(QcowState *s, const char *data, uint32_t len,
                             Error **errp);
/* Is there a header to point to? */
bool qc_crypt_extension(const QcowState *s, uint8_t out[16]);
/* @e: what the user says about it, or NULL. */
bool coroutine_fn qc_crypt_open(QcowState *s, const BlockdevQcow2Encryption *e,
                                Error **errp);
void qc_crypt_close(QcowState *s);
ImageInfoSpecificQCow2Encryption *qc_crypt_info(const QcowState *s);
/* The guest's data at @host, which the guest has at @guest. */
int coroutine_fn qc_data_read(QcowState *s, uint64_t host, int64_t guest,
                              int64_t bytes, const IoVec *iov,
                              size_t iov_offset);
int coroutine_fn qc_data_write(QcowState *s, uint64_t host, int64_t guest,
                               int64_t bytes, const IoVec *iov,
                               size_t iov_offset, unsigned flags);
/* What a new image shall have; to be freed, also after a failure. */
typedef struct QcCryptPlan {
    uint32_t method; /* QC_CRYPT_* */
    struct Luks *luks;
    char *password;
    uint64_t iter_ms;
} QcCryptPlan;
/* @g NULL: only to measure. */
bool qc_crypt_plan(BlockGraph *g, const QDict *opts, QcCryptPlan *p,
                   Error **errp);
void qc_crypt_plan_free(QcCryptPlan *p);
uint64_t qc_crypt_plan_bytes(const QcCryptPlan *p, uint64_t cluster);
/* An image without data becomes one that is encrypted. */
bool coroutine_fn qc_crypt_create(QcowState *s, const QcCryptPlan *p,
                                  Error **errp);
bool coroutine_fn qc_crypt_amend(QcowState *s, const QDict *opts, bool force,
                                 Error **errp);

/* qcow2-header.c */
bool coroutine_fn qc_header_read(QcowState *s, Error **errp);
/* What s->h, the names and the extensions make of the header cluster, over what
 * is in @cluster: bytes. -ENOSPC: does not fit. */
int qc_header_build(QcowState *s, char *cluster);
/* s->lock held: rewrite the header cluster from s->h. */
int coroutine_fn qc_header_write(QcowState *s);
int coroutine_fn qc_set_incompat(QcowState *s, uint64_t bits, bool on);
int qc_probe(const uint8_t *buf, size_t len);

/* qcow2-map.c: from guest offsets to host clusters */
typedef enum QcType {
    QC_TYPE_UNALLOCATED,
    QC_TYPE_UNALLOCATED_HOST, /* the same, but there is a host cluster */
    QC_TYPE_ZERO,             /* no host cluster */
    QC_TYPE_ZERO_ALLOC,       /* reads as zeroes, but has one */
    QC_TYPE_NORMAL,
    QC_TYPE_COMPRESSED,
    QC_TYPE_INVALID,
} QcType;

typedef struct QcMap {
    QcType type;
    bool copied;   /* refcount is 1: can be written in place */
    uint64_t host; /* of the byte asked for; compressed: the L2 entry */
    int64_t bytes; /* that continue alike, at most those asked for */
} QcMap;

/* An L2 entry in host byte order. */
typedef struct QcEntry {
    uint64_t desc; /* the cluster descriptor */
    uint64_t map;  /* extended: subclusters with data; those of zeroes << 32 */
} QcEntry;

/* Does it lead to a host cluster of its own kind, not a compressed one? */
static inline bool qc_has_host(const QcowState *s, uint64_t desc)
{
    return !(desc & QC_COMPRESSED) &&
           ((desc & QC_OFFSET_MASK) || (s->external && (desc & QC_COPIED)));
}

/* What subcluster @sub of the cluster is; 0 where there are none. */
QcType qc_sub_type(const QcowState *s, QcEntry e, unsigned sub);
/* What is at @offset. Inside an epoch, or @locked with s->lock. */
int coroutine_fn qc_map(QcowState *s, int64_t offset, int64_t bytes,
                        bool locked, QcMap *map);
/* s->lock held: the slice with @offset's entry, for changing it: allocates or
 * copies the L2 table when needed. *index is the entry's number. */
int coroutine_fn qc_l2_for_write(QcowState *s, int64_t offset, QcTable **slice,
                                 unsigned *index);

/* s->lock held. */
int coroutine_fn qc_l1_write_entry(QcowState *s, uint64_t index,
                                   uint64_t entry);

static inline QcEntry qc_entry_get(const QcowState *s, const uint64_t *table,
                                   unsigned index)
{
    if (!s->extended) {
        return (QcEntry){ be64toh(table[index]), 0 };
    }
    return (QcEntry){ be64toh(table[2 * index]),
                      be64toh(table[2 * index + 1]) };
}

static inline QcEntry qc_l2_load(const QcowState *s, const QcTable *t,
                                 unsigned index)
{
    const uint64_t *p = t->data;
    QcEntry e = { 0 };
    unsigned seq;

    if (likely(!s->extended)) {
        e.desc = be64toh(__atomic_load_n(p + index, __ATOMIC_ACQUIRE));
        return e;
    }
    p += 2 * index;
    do {
        seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
        e.desc = be64toh(__atomic_load_n(p, __ATOMIC_RELAXED));
        e.map = be64toh(__atomic_load_n(p + 1, __ATOMIC_RELAXED));
        /* Pairs with the release fence of qc_l2_store(). */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((seq & 1) || seq != __atomic_load_n(&t->seq, __ATOMIC_RELAXED));
    return e;
}

/* s->lock held. */
static inline void qc_l2_store(const QcowState *s, QcTable *t, unsigned index,
                               QcEntry e)
{
    uint64_t *p = t->data;

    if (likely(!s->extended)) {
        __atomic_store_n(p + index, htobe64(e.desc), __ATOMIC_RELEASE);
        return;
    }
    p += 2 * index;
    __atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_RELAXED);
    /* Pairs with the acquire fence of qc_l2_load(). */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(p, htobe64(e.desc), __ATOMIC_RELAXED);
    __atomic_store_n(p + 1, htobe64(e.map), __ATOMIC_RELAXED);
    __atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_RELEASE);
}

/* qcow2-refcount.c; s->lock held */
bool coroutine_fn qc_reftable_read(QcowState *s, Error **errp);
/* @table takes the old one's place. It is no shorter, or no requests are under
 * way. */
void qc_reftable_publish(QcowState *s, uint64_t *table, uint32_t size);
/* The block at table entry @index, referenced; NULL when there is none. */
int coroutine_fn qc_refblock_get(QcowState *s, uint64_t index, QcTable **t);
int coroutine_fn qc_refcount_get(QcowState *s, uint64_t cluster,
                                 uint64_t *count);
/* Make one count right. */
int coroutine_fn qc_refcount_set(QcowState *s, uint64_t cluster,
                                 uint64_t count);
/* Change the count of each cluster that [offset, offset + bytes) touches. */
int coroutine_fn qc_refcount_change(QcowState *s, uint64_t offset,
                                    uint64_t bytes, bool increase,
                                    bool discard);
/* @bytes (whole clusters) in a row with count 1; or fewer, at least one,
 * unless @exact. Offset or -errno. */
int64_t coroutine_fn qc_alloc(QcowState *s, int64_t bytes, bool exact,
                              int64_t *got);
/* Give clusters back; errors leak them. */
void coroutine_fn qc_free(QcowState *s, uint64_t offset, uint64_t bytes,
                          bool discard);
uint64_t qc_refcount_peek(const void *block, unsigned order, uint64_t index);
void qc_refcount_poke(void *block, unsigned order, uint64_t index,
                      uint64_t value);

/* qcow2-table.c: @n entries in host byte order; 0 or -errno */
#define QC_TABLE_PIECE 8192 /* entries that are gone through at once */
/* @table is all zero before; what is zero in the image too is not touched. */
int coroutine_fn qc_table_read(QcowState *s, uint64_t offset, uint64_t n,
                               uint64_t *table);
/* The same; all is zero from *@used on. */
int coroutine_fn qc_table_read_used(QcowState *s, uint64_t offset, uint64_t n,
                                    uint64_t *table, uint64_t *used);
int coroutine_fn qc_table_write(QcowState *s, uint64_t offset, uint64_t n,
                                const uint64_t *table);

/* qcow2-filter.c: searching in tables of clusters. s->lock held, or no requests
 * are under way, except for qc_filter_find(). */
typedef struct QcFilter QcFilter;
void qc_filter_make(const QcowState *s, QcFilter **filter,
                    const uint64_t *table, uint64_t n);
/* @entry is about to be put into the table. */
void qc_filter_add(const QcowState *s, QcFilter **filter, const uint64_t *table,
                   uint64_t n, uint64_t entry);
void qc_filter_free(QcFilter *f); /* that nobody uses any more */
/* Any time: does an entry lead to a cluster that the range touches? @filter
 * NULL: there is none. */
bool qc_filter_find(const QcowState *s, QcFilter *const *filter,
                    const uint64_t *table, uint64_t n, uint64_t offset,
                    uint64_t bytes);

/* qcow2-overlap.c: writes that would damage metadata; the bits as "names"
 * there has them */
enum {
    QC_OVERLAP_HEADER = BIT(0),
    QC_OVERLAP_ACTIVE_L1 = BIT(1),
    QC_OVERLAP_REFTABLE = BIT(2),
    QC_OVERLAP_SNAPSHOTS = BIT(3),
    QC_OVERLAP_BITMAPS = BIT(4),
    QC_OVERLAP_ACTIVE_L2 = BIT(5),
    QC_OVERLAP_REFBLOCKS = BIT(6),
    QC_OVERLAP_INACTIVE_L1 = BIT(7),
    QC_OVERLAP_INACTIVE_L2 = BIT(8), /* reads from the image */
    QC_OVERLAP_CONSTANT = BIT(5) - 1,
    QC_OVERLAP_CACHED = BIT(8) - 1,
};
unsigned qc_overlap_checks(const BlockdevOptionsQcow2 *o);
/* Would writing there damage what s->overlap guards, besides @ignore? Signals
 * corruption and gives -EIO. */
int coroutine_fn qc_check_overlap(QcowState *s, unsigned ignore,
                                  uint64_t offset, uint64_t bytes);
/* The same for the guest's data. */
static inline int coroutine_fn qc_check_data(QcowState *s, uint64_t offset,
                                             uint64_t bytes)
{
    return s->external ? 0 : qc_check_overlap(s, 0, offset, bytes);
}
/* s->lock held: the same for clusters that are being allocated. */
int coroutine_fn qc_check_alloc(QcowState *s, uint64_t offset, uint64_t bytes);
/* No requests are under way: these are the image's snapshots (QcSnapshot *). */
void qc_overlap_set_snapshots(QcowState *s, const GPtrArray *list);
/* A broken image: tell, and refuse writes from now on when @fatal. -EIO. */
int coroutine_fn qc_corrupt(QcowState *s, bool fatal, int64_t offset,
                            const char *fmt, ...) PRINTF_LIKE(4, 5);

/* qcow2-read.c */
int coroutine_fn qc_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                           const IoVec *iov, size_t iov_offset, unsigned flags);
int coroutine_fn qc_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                 int64_t bytes, int64_t *pnum, int64_t *map,
                                 BlockNode **file);
/* The compressed cluster of L2 entry @entry to @buf (cluster_size bytes). */
int coroutine_fn qc_read_compressed(QcowState *s, uint64_t entry, void *buf);
/* Where its data is: bytes from *offset. */
uint64_t qc_compressed_extent(const QcowState *s, uint64_t entry,
                              uint64_t *offset);

/* qcow2-write.c */
int coroutine_fn qc_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                            const IoVec *iov, size_t iov_offset,
                            unsigned flags);
/* s->lock held: the clusters from @guest on are being filled. */
void qc_alloc_begin(QcowState *s, QcAlloc *a, int64_t guest, int64_t bytes);
void qc_alloc_end(QcowState *s, QcAlloc *a);
/* s->lock held, nobody uses it any more: free what the descriptor of a former
 * L2 entry leads to. */
void coroutine_fn qc_free_entry(QcowState *s, uint64_t desc, bool discard);

/* qcow2-compress.c */
int coroutine_fn qc_pwrite_compressed(BlockNode *n, int64_t offset,
                                      int64_t bytes, const void *buf);
/* qcow2-zero.c */
int coroutine_fn qc_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                  unsigned flags);
int coroutine_fn qc_pdiscard(BlockNode *n, int64_t offset, int64_t bytes);
int coroutine_fn qc_make_empty(BlockNode *n);
/* Nothing is in these whole clusters any more: the backing file shows. */
int coroutine_fn qc_drop(BlockNode *n, int64_t offset, int64_t bytes);
/* Wait until no allocation is under way in the range; s->lock held, and
 * released while waiting. True when it waited: look again. */
bool coroutine_fn qc_wait_allocs(QcowState *s, int64_t offset, int64_t bytes);

/* qcow2-create.c */
/* Host clusters for all of [from, to), which has none. */
int coroutine_fn qc_preallocate(BlockNode *n, int64_t from, int64_t to,
                                int mode);
/* The same for the end of an image that grew; see BlockSizeOps. */
int coroutine_fn qc_preallocate_space(BlockNode *n, int64_t from, int64_t to,
                                      int mode);
/* Bytes of an image as @h says with that many data clusters and all of its L2
 * tables. */
uint64_t qc_image_size(const QcHeader *h, uint64_t data_clusters);

/* qcow2-snapshot.c: the table of internal snapshots */
#define QC_SNAPSHOT_EXTRA_MIN 16
typedef struct QcSnapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    char *id, *name;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec, vm_state_size;
    uint64_t disk_size; /* the image's, if not told */
    uint64_t icount;    /* UINT64_MAX: none */
    uint32_t extra_size;
    void *extra;    /* as on disk */
    uint64_t bytes; /* of the entry on disk */
} QcSnapshot;

/* QcSnapshot *, freed with the array; NULL when the table is broken. */
GPtrArray *coroutine_fn qc_snapshots_read(QcowState *s, Error **errp);
/* s->lock held: make @list the table; the old one's clusters are freed. */
int coroutine_fn qc_snapshots_write(QcowState *s, const GPtrArray *list);
void qc_snapshot_free(QcSnapshot *sn);
struct SnapshotInfoList *qc_snapshot_list(QcowState *s); /* control code */

/* qcow2-tree.c; s->lock held, caches written out, no requests are under way */
/* Change the counts of all that the active L1 table leads to by @delta (-1, 0,
 * 1), then its "copied" flags to what the counts say. */
int coroutine_fn qc_tree_active(QcowState *s, int delta);
/* The counts for the table of @n entries at @offset. */
int coroutine_fn qc_tree_change(QcowState *s, uint64_t offset, uint32_t n,
                                int delta);

/* qcow2-snapshot-ops.c: no requests are under way */
extern const BlockSnapshotOps qc_snapshot_ops;

/* qcow2-vmstate.c */
extern const BlockVmStateOps qc_vmstate_ops;

/* qcow2-bitmap.c */
bool qc_bitmaps_take_extension(QcowState *s, const char *data, uint32_t len,
                               Error **errp);
/* Its data; empty: there are no bitmaps. */
GByteArray *qc_bitmaps_extension(const QcowState *s);
struct Qcow2BitmapInfoList *qc_bitmaps_info(const QcowState *s);
/* No request is under way: can all that are stored follow? */
bool qc_bitmaps_can_resize(BlockNode *n, Error **errp);

/* qcow2-bitmap-data.c; s->lock held, no requests are under way */
/* Load them; when the image is to be written, mark them as in use. */
bool coroutine_fn qc_bitmaps_open(QcowState *s, Error **errp);
/* An image that is open becomes writable. */
bool coroutine_fn qc_bitmaps_write_again(QcowState *s, Error **errp);
/* Nobody writes any more: to the image with them. */
bool coroutine_fn qc_bitmaps_store(QcowState *s, Error **errp);
extern const BlockBitmapOps qc_bitmap_ops;

/* qcow2-amend.c; no requests are under way */
bool coroutine_fn qc_amend(BlockNode *n, const BlockAmend *a, Error **errp);
extern const BlockCreateOption qc_amend_options[];
/* qcow2-refwidth.c; s->lock held: counts of 1 << @order bits each. */
bool coroutine_fn qc_refcount_set_width(QcowState *s, unsigned order,
                                        const BlockAmend *amend, Error **errp);

/* qcow2-resize.c */
/* The virtual size in the header. */
int coroutine_fn qc_size_write(QcowState *s, uint64_t size);
/* No requests are under way: let s->l1 have room for @n entries at least; new
 * ones are zero. */
int qc_l1_reserve(QcowState *s, uint64_t n);
/* s->lock held: an L1 table with room for @need entries at least. */
int coroutine_fn qc_l1_grow(QcowState *s, uint64_t need);
/* Without the lock: one that reaches to @size. */
int coroutine_fn qc_l1_cover(QcowState *s, uint64_t size);
bool coroutine_fn qc_truncate(BlockNode *n, int64_t size, bool exact,
                              Error **errp);
/* qcow2-check.c: counts references; makes right what @fix says. @result: the
 * totals; its "say" is taken over. */
bool coroutine_fn qc_check(QcowState *s, unsigned fix, BlockCheck *result,
                           Error **errp);

/* qcow2-backing.c */
int coroutine_fn qc_change_backing(BlockNode *n, const char *file,
                                   const char *format);

#endif
