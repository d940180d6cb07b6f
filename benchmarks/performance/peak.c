/* The most multiply-accumulates that a core does: vectors that never leave their registers.
 *
 * peak int8|float: prints JSON, a line each: the multiply-accumulates of a run, then for each line
 * on stdin the milliseconds of one. int8 products are summed in 32 bits, as an inference sums them.
 * For x86-64 with AVX2 and FMA:
 *
 *     gcc -O3 -march=native peak.c -o peak
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ITERATIONS 200000
/* Enough for two a cycle of a latency of six. */
#define SUMS 12
/* The compiler is to know neither what a vector is nor that nobody needs it. */
#define UNKNOWN(vector) __asm__ volatile("" : "+v"(vector))

#if defined(__AVX512F__)
typedef __m512 Floats;
#define ADD_FLOATS(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#else
typedef __m256 Floats;
#define ADD_FLOATS(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#endif

#if defined(__AVX512VNNI__)
typedef __m512i Bytes;
#define ADD_BYTES(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#elif defined(__AVXVNNI__)
typedef __m256i Bytes;
#define ADD_BYTES(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#else
typedef __m256i Bytes;
#define ADD_BYTES(sum, a, b) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#endif

#define EACH _Pragma("GCC unroll 12") for (int k = 0; k < SUMS; k++)
#define RUN(Vector, ADD)                         \
    Vector a = {0}, b = {0}, sums[SUMS] = {{0}}; \
    UNKNOWN(b);                                  \
    EACH UNKNOWN(sums[k]);                       \
    for (int i = 0; i < ITERATIONS; i++) {       \
        EACH {                                   \
            UNKNOWN(a);                          \
            sums[k] = ADD(sums[k], a, b);        \
        }                                        \
    }                                            \
    EACH UNKNOWN(sums[k])

static void int8(void)
{
    RUN(Bytes, ADD_BYTES);
}

static void floats(void)
{
    RUN(Floats, ADD_FLOATS);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "int8") && strcmp(argv[1], "float")))
        return 2;
    int is_float = !strcmp(argv[1], "float");
    void (*run)(void) = is_float ? floats : int8;
    size_t lanes = is_float ? sizeof(Floats) / sizeof(float) : sizeof(Bytes);
    printf("%zu\n", ITERATIONS * SUMS * lanes);
    fflush(stdout);
    for (int read = getchar(); read != EOF; read = getchar()) {
        if (read != '\n')
            continue;
        double start = milliseconds();
        run();
        printf("%f\n", milliseconds() - start);
        fflush(stdout);
    }
    return 0;
}
