# What generated code calls; the meaning of each stands in the headers.

cdef extern from "nf_runtime.h" nogil:
    ctypedef unsigned char u8
    ctypedef unsigned short u16
    ctypedef unsigned int u32
    ctypedef unsigned long long u64
    ctypedef unsigned long long u128
    ctypedef signed char i8
    ctypedef short i16
    ctypedef int i32
    ctypedef long long i64
    ctypedef long long i128

    ctypedef struct nf_slice:
        const u8* data
        u64 length
    ctypedef struct nf_head:
        u8* frame
        u64 a
        u64 b
        u32 length
        u16 iface
        u8 bits
        u16 at
    ctypedef struct nf_rewrite:
        u64 ip4
        u64 l4
    ctypedef struct nf_table:
        pass
    ctypedef struct nf_aged:
        pass
    ctypedef struct nf_arena:
        pass
    ctypedef struct nf_pool:
        pass
    ctypedef struct nf_wheel:
        pass
    ctypedef struct nf_timer:
        pass
    ctypedef struct nf_buffer:
        pass
    ctypedef struct nf_info:
        pass
    ctypedef struct nf_core:
        u64 now
        u8 started
        u8 non_ip_drop
        i32 error
        u64 counters[10]
        u64* hits
        nf_wheel wheel
        nf_arena scratch
        nf_pool pool
        void* operators
    ctypedef struct nf_batch:
        u8** frames
        const u32* lengths
        const u32* originals
        const u64* times
        const u16* ports
        i32* verdicts
        u32 n

    enum:
        NF_OK, NF_NO_MEMORY, NF_RUNAWAY, NF_COPIES
        NF_FORWARD, NF_DROP, NF_RESUBMIT, NF_DELAY, NF_SEVERAL, NF_DROPPED
        NF_MALFORMED_FRAMES, NF_NON_IP_FRAMES, NF_RESUBMIT_LIMIT, NF_LOOP_LIMIT, NF_PAYLOAD_LENGTH
        NF_BAD_PORT, NF_NO_CHOICE
        NF_IGNORED, NF_WRAPPED, NF_IPIP, NF_VXLAN
        NF_IP4, NF_IP6, NF_PARSED, NF_IDLE
        NF_MAX_FIRINGS, NF_MAX_VISITS, NF_MAX_PASSES
        NF_W_SIP, NF_W_DIP, NF_W_SPORT, NF_W_DPORT, NF_W_PROTO
        NF_COVERS_IP4, NF_COVERS_L4
        UINT32_MAX

    bint nf_likely(bint) noexcept
    bint nf_unlikely(bint) noexcept

    u16 nf_swap16(u16) noexcept
    u32 nf_swap32(u32) noexcept
    u32 nf_div_u32(u32, u32) noexcept
    u64 nf_div_u64(u64, u64) noexcept
    u128 nf_div_u128(u128, u128) noexcept
    i32 nf_div_i32(i32, i32) noexcept
    i64 nf_div_i64(i64, i64) noexcept
    i128 nf_div_i128(i128, i128) noexcept
    u32 nf_rem_u32(u32, u32) noexcept
    u64 nf_rem_u64(u64, u64) noexcept
    u128 nf_rem_u128(u128, u128) noexcept
    i32 nf_rem_i32(i32, i32) noexcept
    i64 nf_rem_i64(i64, i64) noexcept
    i128 nf_rem_i128(i128, i128) noexcept
    u32 nf_shl_u32(u32, u32, u32) noexcept
    u64 nf_shl_u64(u64, u64, u32) noexcept
    u128 nf_shl_u128(u128, u128, u32) noexcept
    u32 nf_shr_u32(u32, u32, u32) noexcept
    u64 nf_shr_u64(u64, u64, u32) noexcept
    u128 nf_shr_u128(u128, u128, u32) noexcept
    i32 nf_shr_i32(i32, u32, u32) noexcept
    i64 nf_shr_i64(i64, u64, u32) noexcept
    i128 nf_shr_i128(i128, u128, u32) noexcept
    i32 nf_sign_32(u32, u32) noexcept
    i64 nf_sign_64(u64, u32) noexcept
    i128 nf_sign_128(u128, u32) noexcept
    u128 nf_u128(u64, u64) noexcept
    u64 nf_high(u128) noexcept
    u64 nf_low(u128) noexcept
    bint nf_yes() noexcept
    i32 nf_choose(bint, i32, i32) noexcept
    bint nf_no() noexcept
    u64 nf_pick(u32, u64, u64) noexcept
    u64 nf_max(u64, u64) noexcept
    u64 nf_latest(u64, const u64*, u64) noexcept
    bint nf_same_bytes(nf_slice, nf_slice) noexcept
    nf_slice nf_slice_of(const void*, u64) noexcept
    nf_slice nf_slice_if(u32, nf_slice, nf_slice) noexcept
    u32 nf_hash_words(const u32*, u32) noexcept

    u64 nf_hash1(u64) noexcept
    u64 nf_hash2(u64, u64) noexcept
    u64 nf_hashn(const u64*, u32) noexcept
    u64 nf_turned(u64) noexcept
    u64 nf_swapped_ports(u64) noexcept

    int nf_table_init(nf_table*, u32, u32) noexcept
    void nf_table_free(nf_table*) noexcept
    int nf_table_reserve(nf_table*, u64) noexcept
    void nf_table_tick(nf_table*) noexcept
    void nf_prefetch(const nf_table*, u64, u32) noexcept
    u8* nf_place(const nf_table*, u64, u32) noexcept
    u8* nf_place_either(u32, const nf_table*, u32, const nf_table*, u32, u64) noexcept
    void nf_prefetch_at(const u8*) noexcept
    void* nf_find_at(u8*, const u64*, u32, u32) noexcept
    ctypedef struct nf_form:
        pass
    u32 nf_form_changed(nf_form*, const nf_table*) noexcept
    void* nf_find(nf_table*, const u64*, u64, u32, u32) noexcept
    void* nf_put(nf_table*, const u64*, u64, u32, u32, u32*) noexcept
    void nf_del(nf_table*, const u64*, u64, u32, u32) noexcept
    int nf_aged_init(nf_aged*, u32, u32, u64, u64, u32) noexcept
    void nf_aged_free(nf_aged*) noexcept
    int nf_aged_reserve(nf_aged*, u64) noexcept
    void nf_aged_tick(nf_aged*) noexcept
    void nf_aged_prefetch(const nf_aged*, u64) noexcept
    void* nf_aged_find(nf_aged*, const u64*, u64, u32, u64) noexcept
    void* nf_aged_put(nf_aged*, const u64*, u64, u32, u64, u32*) noexcept
    void nf_aged_touch(nf_aged*, const u64*, u64, u32, u64) noexcept
    void nf_aged_del(nf_aged*, const u64*, u64, u32) noexcept

    void nf_arena_reset(nf_arena*) noexcept
    nf_slice nf_interned(const nf_pool*, u32) noexcept
    u32 nf_interned_id(const nf_pool*, nf_slice) noexcept
    u32 nf_intern(nf_pool*, nf_slice) noexcept
    u32 nf_kept(nf_core*, nf_slice) noexcept

    void nf_wheel_init(nf_wheel*, u64) noexcept
    u64 nf_wheel_next(const nf_wheel*) noexcept
    nf_timer* nf_wheel_pop(nf_wheel*, u64) noexcept
    void nf_core_free(nf_core*) noexcept
    u8* nf_sent_add(nf_core*, u64, u32, const u8*, u32, u32, u32, u32) noexcept
    void* nf_hold(nf_core*, const void*, u64, const nf_head*, u32, u32, u64, nf_slice, u8**, u8**) noexcept
    void* nf_waiting_packet(nf_timer*) noexcept
    u32 nf_waiting_instance(nf_timer*) noexcept
    u32 nf_waiting_original(nf_timer*) noexcept
    u64 nf_timer_due(const nf_timer*) noexcept

    int nf_state_initial(const nf_info*, nf_core*, u64) noexcept
    void nf_state_stamp(const nf_info*, nf_core*, u64) noexcept
    int nf_state_write(const nf_info*, nf_core*, nf_buffer*) noexcept
    int nf_state_read(const nf_info*, nf_core*, const u8*, u64) noexcept

    void* nf_new_state(u64, u32) noexcept
    void nf_pool_tidy(const nf_info*, nf_core*, u32) noexcept
    ctypedef struct nf_ticks:
        pass
    ctypedef struct nf_mat_head:
        u32 epoch
        u16 number
        u16 ip
        u16 l4
        u16 more
    ctypedef struct nf_mat:
        u32 epoch
        u64 served
        nf_table table
    ctypedef struct nf_image:
        u32 sip
        u32 dip
        u16 sport
        u16 dport
        u32 rest
    int nf_mat_init(nf_mat*, u32, u32, u64) noexcept
    void nf_mat_free(nf_mat*) noexcept
    void nf_mat_clear(nf_mat*) noexcept
    void nf_mat_outdate_all(nf_mat*) noexcept
    u64 nf_mat_hash(const u64*) noexcept
    u8* nf_mat_home(const nf_mat*, u64, u32) noexcept
    nf_mat_head* nf_mat_at(u8*, const u64*, u32) noexcept
    nf_mat_head* nf_mat_find(nf_mat*, const u64*, u64, u32) noexcept
    u32 nf_mat_serves(const nf_mat*, const nf_mat_head*) noexcept
    void nf_mat_remove(nf_mat*, const u64*, u64, u32) noexcept
    void nf_mat_evict(nf_mat*, u64) noexcept
    nf_mat_head* nf_mat_put(nf_mat*, const u64*, u64, u32) noexcept
    void nf_mat_live(nf_mat*, nf_mat_head*) noexcept
    u32 nf_mat_watch(nf_mat*, u64, u64) noexcept
    void nf_mat_event(nf_mat*, u64) noexcept
    void nf_mat_tick(nf_mat*) noexcept
    enum:
        NF_FAST_SLOW
    void nf_mat_counts(const nf_mat*, u64*) noexcept
    ctypedef struct nf_judge:
        u64 resting
    void nf_judge_after(nf_judge*, nf_mat*, u64) noexcept
    u64 nf_event_of(u32, u64) noexcept
    void* nf_hinted(const nf_table*, u8*, const u64*, u32, u32) noexcept
    u8* nf_hint(void*, u32, void*) noexcept
    u8* nf_pointer(const u8*) noexcept
    void nf_fetch(const u8*) noexcept
    u8* nf_either(u32, u8*, u8*) noexcept
    u64 nf_delta32(u32, u32) noexcept
    u64 nf_delta16(u16, u16) noexcept
    u32 nf_fold(u64) noexcept
    void nf_put_image(u8*, const nf_image*) noexcept
    void nf_put_record(u8*, const nf_mat_head*, const nf_image*) noexcept
    u32 nf_image_rest(u64) noexcept
    u16 nf_more(u32, u64) noexcept
    u32 nf_goes_out(const nf_mat_head*) noexcept
    u32 nf_same_record(const nf_mat_head*, const nf_mat_head*, u32) noexcept
    u32 nf_sent_count(const nf_core*) noexcept
    u8* nf_sent_first(const nf_core*, u32, u32*) noexcept
    void nf_fill_record(nf_mat_head*, const nf_mat_head*, u32) noexcept
    void nf_ticks_begin(nf_ticks*) noexcept
    u64 nf_ticks_skipped(nf_ticks*, const nf_info*, nf_core*, u64) noexcept

    ctypedef struct nf_wraps:
        void* under
        u32 tunnels
        u32 own
    i32 nf_push_tag_may(const nf_head*) noexcept
    i32 nf_pop_tag_may(const nf_head*) noexcept
    i32 nf_own(nf_core*, nf_wraps*, nf_head*) noexcept
    void nf_push_tag(nf_head*, u32) noexcept
    void nf_pop_tag(nf_head*) noexcept
    i32 nf_push_may(const nf_wraps*, const nf_head*, u32) noexcept
    u32 nf_outer(u32) noexcept
    u8* nf_push_room(nf_core*, const nf_head*, u32) noexcept
    u8* nf_arena_take(nf_arena*, u64) noexcept
    i32 nf_push_header(nf_head*, u8*, u32, u32, u32, u32) noexcept
    i32 nf_pop_may(const nf_wraps*, const nf_head*, u32) noexcept
    u8* nf_pop_ipip_under(nf_core*, const nf_head*, const nf_head*, nf_head*) noexcept
    u8* nf_pop_ipip_frame(nf_core*, const nf_head*, nf_slice, u32*) noexcept
    i32 nf_popped(nf_head*, u8*, u32, u32) noexcept

    u32 nf_parse_fast(nf_head*, u8*, u32, u32) noexcept
    i32 nf_parse(nf_head*, u8*, u32) noexcept
    void nf_complete(nf_head*) noexcept
    u32 nf_has(const nf_head*, u32, u32) noexcept
    void nf_rewrite_begin(nf_rewrite*, u8*, const nf_head*, u32) noexcept
    void nf_put_flow(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_rewrite_end(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    nf_slice nf_payload_of(const nf_head*, u32) noexcept
    void nf_put_payload(nf_rewrite*, u8*, const nf_head*, u32, nf_slice) noexcept

    u32 nf_sip(const nf_head*, u32) noexcept
    u32 nf_dip(const nf_head*, u32) noexcept
    u32 nf_sport(const nf_head*, u32) noexcept
    u32 nf_dport(const nf_head*, u32) noexcept
    u32 nf_proto(const nf_head*, u32) noexcept
    u32 nf_iface(const nf_head*, u32) noexcept
    u64 nf_dmac(const nf_head*, u32) noexcept
    u64 nf_smac(const nf_head*, u32) noexcept
    u32 nf_ethertype(const nf_head*, u32) noexcept
    u32 nf_vlan(const nf_head*, u32) noexcept
    u32 nf_IP4(const nf_head*, u32) noexcept
    u32 nf_IP6(const nf_head*, u32) noexcept
    u32 nf_L4(const nf_head*, u32) noexcept
    u32 nf_FRAG(const nf_head*, u32) noexcept
    u32 nf_vni(const nf_head*, u32) noexcept
    u32 nf_ttl(const nf_head*, u32) noexcept
    u32 nf_tos(const nf_head*, u32) noexcept
    u32 nf_iplen(const nf_head*, u32) noexcept
    u32 nf_size(const nf_head*, u32) noexcept
    u32 nf_ip_id(const nf_head*, u32) noexcept
    u128 nf_sip6(const nf_head*, u32) noexcept
    u128 nf_dip6(const nf_head*, u32) noexcept
    u32 nf_seq(const nf_head*, u32) noexcept
    u32 nf_ack_no(const nf_head*, u32) noexcept
    u32 nf_window(const nf_head*, u32) noexcept
    u32 nf_flag_fin(const nf_head*, u32) noexcept
    u32 nf_flag_syn(const nf_head*, u32) noexcept
    u32 nf_flag_rst(const nf_head*, u32) noexcept
    u32 nf_flag_psh(const nf_head*, u32) noexcept
    u32 nf_flag_ack(const nf_head*, u32) noexcept
    u32 nf_flag_urg(const nf_head*, u32) noexcept
    u32 nf_icmp_type(const nf_head*, u32) noexcept
    u32 nf_icmp_code(const nf_head*, u32) noexcept
    u32 nf_icmp_id(const nf_head*, u32) noexcept
    u32 nf_icmp_seq(const nf_head*, u32) noexcept
    void nf_set_sip(nf_head*, u32, u32) noexcept
    void nf_set_dip(nf_head*, u32, u32) noexcept
    void nf_set_sport(nf_head*, u32, u32) noexcept
    void nf_set_dport(nf_head*, u32, u32) noexcept
    void nf_set_proto(nf_head*, u32, u32) noexcept
    void nf_put_dmac(nf_rewrite*, u8*, const nf_head*, u32, u64) noexcept
    void nf_put_smac(nf_rewrite*, u8*, const nf_head*, u32, u64) noexcept
    void nf_put_ethertype(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_vlan(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_ttl(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_tos(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_iplen(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_size(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_ip_id(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_sip6(nf_rewrite*, u8*, const nf_head*, u32, u128) noexcept
    void nf_put_dip6(nf_rewrite*, u8*, const nf_head*, u32, u128) noexcept
    void nf_put_seq(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_ack_no(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_window(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_fin(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_syn(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_rst(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_psh(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_ack(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_flag_urg(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_icmp_type(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_icmp_code(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_icmp_id(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
    void nf_put_icmp_seq(nf_rewrite*, u8*, const nf_head*, u32, u32) noexcept
