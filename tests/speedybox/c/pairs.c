/* Which batches may run side by side: a line for each pair of W, R and I, then other cases. */
#include <stdio.h>
#include "speedybox.h"

static u32 nothing(void *nf, sb_packet *p, const sb_args *args) {
    (void)nf, (void)p, (void)args;
    return SB_GO;
}

/* Whether the batch that begins at the last operation runs beside those before it. */
static u32 last_beside(sb_operation *operations, u32 count) {
    sb_flow f = {.operations = operations, .count = count};
    sb_pair_up(&f);
    return operations[count - 1].beside;
}

#define SF(n, type, may_drop)                                                                    \
    {.kind = SB_SF, .nf = n, .what = type, .drops = may_drop, .call.function = nothing}
#define HA(n, action) {.kind = SB_HA, .nf = n, .what = action}

int main(void) {
    const char *names = "WRI";
    for (u32 a = SB_WRITE; a <= SB_IGNORE; a++)
        for (u32 b = SB_WRITE; b <= SB_IGNORE; b++) {
            sb_operation pair[] = {SF(0, (u8)a, 0), SF(1, (u8)b, 0)};
            printf("%c %c %c\n", names[a], names[b], last_beside(pair, 2) ? 'Y' : 'N');
        }
    sb_operation same[] = {SF(0, SB_READ, 0), SF(0, SB_READ, 0)};
    printf("one NF %u\n", last_beside(same, 2));
    sb_operation drops[] = {SF(0, SB_READ, 1), SF(1, SB_IGNORE, 0)};
    printf("behind one that may drop %u\n", last_beside(drops, 2));
    sb_operation dropping[] = {SF(0, SB_READ, 0), SF(1, SB_IGNORE, 1)};
    printf("one that may drop at the end %u\n", last_beside(dropping, 2));
    sb_operation headers[] = {SF(0, SB_READ, 0), HA(0, SB_ENCAP), SF(1, SB_IGNORE, 0)};
    printf("behind a header %u\n", last_beside(headers, 3));
    sb_operation modified[] = {SF(0, SB_READ, 0), HA(0, SB_MODIFY), SF(1, SB_IGNORE, 0)};
    printf("behind a value %u\n", last_beside(modified, 3));
    sb_operation batch[] = {SF(0, SB_IGNORE, 0), SF(0, SB_WRITE, 0), SF(0, SB_READ, 0),
                            SF(1, SB_READ, 0)};
    printf("a batch counts as its strongest %u\n", last_beside(batch, 4));
    sb_operation three[] = {SF(0, SB_READ, 0), SF(1, SB_IGNORE, 0), SF(2, SB_WRITE, 0)};
    printf("all of a group count %u\n", last_beside(three, 3));
    return 0;
}
