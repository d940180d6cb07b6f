/* A plugin of qemu's user mode: what each thread of a program runs between marks.
 *
 * A program marks a place by getppid(). The instructions of every block of code are counted for
 * each thread apart; each mark prints, to the file after -D, a line for each block that ran since
 * the mark before,
 *
 *     block ADDRESS INSTRUCTIONS YIELDS COUNT COUNT ...
 *
 * where COUNT is how often each thread ran it, in the order in which threads were started, and
 * YIELDS is 1 where the block holds a YIELD, by which a thread says that it only waits; then a line
 * `mark`.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define GETPPID 173 /* arm64 */
#define YIELD 0xd503203f
#define MOST_THREADS 16

typedef struct {
    uint64_t address, instructions;
    int yields;
    qemu_plugin_u64 runs;
    uint64_t before[MOST_THREADS];
} Block;

static GHashTable *blocks; /* by address and length */
static GMutex lock;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t address = qemu_plugin_tb_vaddr(tb), count = qemu_plugin_tb_n_insns(tb);
    uint64_t key = address << 12 | (count & 0xfff);
    g_mutex_lock(&lock);
    Block *block = g_hash_table_lookup(blocks, &key);
    if (!block) {
        block = g_new0(Block, 1);
        block->address = address;
        block->instructions = count;
        for (size_t i = 0; i < count; i++) {
            uint32_t word = 0;
            qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i), &word, sizeof word);
            block->yields |= word == YIELD;
        }
        block->runs =
            qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
        uint64_t *kept = g_new(uint64_t, 1);
        *kept = key;
        g_hash_table_insert(blocks, kept, block);
    }
    g_mutex_unlock(&lock);
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, block->runs,
                                                      1);
}

static void told(void *key, void *value, void *data)
{
    Block *block = value;
    g_autoptr(GString) line = g_string_new(NULL);
    uint64_t sum = 0;
    g_string_printf(line, "block %" PRIx64 " %" PRIu64 " %d", block->address, block->instructions,
                    block->yields);
    int threads = qemu_plugin_num_vcpus();
    for (int i = 0; i < threads && i < MOST_THREADS; i++) {
        uint64_t now = qemu_plugin_u64_get(block->runs, i);
        g_string_append_printf(line, " %" PRIu64, now - block->before[i]);
        sum += now - block->before[i];
        block->before[i] = now;
    }
    if (sum && data) {
        g_string_append_c(line, '\n');
        qemu_plugin_outs(line->str);
    }
}

static void called(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a, uint64_t b,
                   uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    static int marks;
    if (number != GETPPID)
        return;
    g_mutex_lock(&lock);
    /* What came before the first mark is of no interest. */
    g_hash_table_foreach(blocks, told, marks++ ? (void *)1 : NULL);
    g_mutex_unlock(&lock);
    qemu_plugin_outs("mark\n");
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    blocks = g_hash_table_new(g_int64_hash, g_int64_equal);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
