/* A TFLite delegate that does as it is told by the macros it is compiled with.

   It takes every operator called edgetpu-custom-op, as the Edge TPU's does. The structures are those
   of TFLite's public C interface, as far as they are used.

   REFUSE      the plugin gives no delegate and says why, where REFUSE is a text
   CRASH       its inference ends in a segmentation fault
   FAIL        its inference fails
   SIGNAL      its inference ends its process by the signal of that number
   HANG        its inference makes a file of that name and does not end
   otherwise   the answer's element 3 is 100 and the others are 0                               */

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int size; int data[]; } IntArray;

typedef struct {
  int type;
  char *data;
  struct { float scale; int32_t zero_point; } params;
  IntArray *dims;
  int allocation_type;
  size_t bytes;
  void *allocation, *name, *delegate;
  int buffer_handle;
  char data_is_stale, is_variable;
  struct { int type; void *params; } quantization;
  void *sparsity, *signature;
} Tensor;

typedef struct { IntArray *inputs, *outputs; } Node;

struct Context;

typedef struct {
  void *(*init)(struct Context *, const char *, size_t);
  void (*free)(struct Context *, void *);
  int (*prepare)(struct Context *, Node *);
  int (*invoke)(struct Context *, Node *);
  void *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *external, *async_kernel;
  uint64_t inplace_operator;
} Registration;

typedef struct Delegate {
  void *data;
  int (*prepare)(struct Context *, struct Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *opaque;
} Delegate;

typedef struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(struct Context *, IntArray **);
  Tensor *tensors;
  void *impl, *resize_tensor;
  void (*report_error)(struct Context *, const char *, ...);
  void *add_tensors;
  int (*get_node)(struct Context *, int, Node **, Registration **);
  int (*replace)(struct Context *, Registration, const IntArray *, Delegate *);
} Context;

static int invoke(Context *context, Node *node) {
#if defined(CRASH)
  *(volatile int *)0 = 1;
#elif defined(FAIL)
  context->report_error(context, "the chip is too hot");
  return 1;
#elif defined(SIGNAL)
  kill(getpid(), SIGNAL);
#elif defined(HANG)
  close(creat(HANG, 0600));
  for (;;) sleep(1000);
#endif
  Tensor *answer = &context->tensors[node->outputs->data[0]];
  memset(answer->data, 0, answer->bytes);
  answer->data[3] = 100;
  return 0;
}

static int prepare(Context *context, Node *node) { return context == NULL || node == NULL; }

static int take(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (context->get_execution_plan(context, &plan)) return 1;
  IntArray *taken = malloc(sizeof *taken + sizeof(int) * plan->size);
  taken->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Registration *registration;
    if (context->get_node(context, plan->data[i], &node, &registration)) return 1;
    if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
      taken->data[taken->size++] = plan->data[i];
  }
  Registration kernel = {.prepare = prepare, .invoke = invoke, .custom_name = "test", .version = 1};
  int status = context->replace(context, kernel, taken, delegate);
  free(taken);
  return status;
}

void *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                    void (*report)(const char *)) {
#ifdef REFUSE
  report(REFUSE);
  return NULL;
#endif
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = take;
  delegate->flags = 1; /* As of the Edge TPU: nothing is prepared before it took its operators. */
  return delegate;
}

void tflite_plugin_destroy_delegate(void *delegate) { free(delegate); }
