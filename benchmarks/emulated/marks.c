/* A plugin of qemu's user mode: what a program takes between two marks.
 *
 * A program marks a place by getppid(): each prints, to the file after -D, how many instructions
 * its threads ran before, and how many lines the first one's loads and stores did not find in the
 * data caches.
 * The caches are modelled as those of the board's core: of 64-byte lines, set-associative, the
 * least recently used line of a set goes; stores allocate; the second level holds data alone and
 * nothing is prefetched.
 *
 *     -plugin libmarks.so,l1=BYTES,l1ways=N,l2=BYTES,l2ways=N
 *
 * Only the first thread can mark, and the caches are its own: programs are to work in that one.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define LINE_BITS 6
#define GETPPID 173 /* arm64 */

typedef struct {
    uint64_t sets, ways, misses;
    uint64_t *lines; /* of each set, the most recent first; 0 is none */
} Cache;

static Cache l1 = {.ways = 4}, l2 = {.ways = 16};
static uint64_t l1_bytes = 32768, l2_bytes = 1048576;
static struct qemu_plugin_scoreboard *counts;
static qemu_plugin_u64 instructions;

static void make(Cache *cache, uint64_t bytes)
{
    cache->sets = (bytes >> LINE_BITS) / cache->ways;
    cache->lines = calloc(cache->sets * cache->ways, sizeof(uint64_t));
}

static int touch(Cache *cache, uint64_t line)
{
    uint64_t *set = cache->lines + (line % cache->sets) * cache->ways;
    uint64_t way = 0;
    while (way < cache->ways - 1 && set[way] != line)
        way++;
    int found = set[way] == line;
    memmove(set + 1, set, way * sizeof(uint64_t));
    set[0] = line;
    cache->misses += !found;
    return found;
}

static void accessed(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    if (vcpu)
        return;
    uint64_t bytes = 1ull << qemu_plugin_mem_size_shift(info);
    uint64_t last = (address + bytes - 1) >> LINE_BITS;
    for (uint64_t line = address >> LINE_BITS; line <= last; line++)
        if (!touch(&l1, line + 1))
            touch(&l2, line + 1);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    size_t count = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, QEMU_PLUGIN_INLINE_ADD_U64,
                                                      instructions, count);
    for (size_t i = 0; i < count; i++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), accessed,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}

static void called(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a, uint64_t b,
                   uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    if (vcpu || number != GETPPID)
        return;
    g_autofree char *line = g_strdup_printf("mark %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                                            qemu_plugin_u64_sum(instructions), l1.misses,
                                            l2.misses);
    qemu_plugin_outs(line);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    struct { const char *name; uint64_t *value; } options[] = {
        {"l1", &l1_bytes}, {"l1ways", &l1.ways}, {"l2", &l2_bytes}, {"l2ways", &l2.ways}};
    for (int i = 0; i < argc; i++)
        for (size_t k = 0; k < G_N_ELEMENTS(options); k++) {
            size_t length = strlen(options[k].name);
            if (!strncmp(argv[i], options[k].name, length) && argv[i][length] == '=')
                *options[k].value = strtoull(argv[i] + length + 1, NULL, 10);
        }
    make(&l1, l1_bytes);
    make(&l2, l2_bytes);
    counts = qemu_plugin_scoreboard_new(sizeof(uint64_t));
    instructions = qemu_plugin_scoreboard_u64(counts);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
