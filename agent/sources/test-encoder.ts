/**
 * The test camera's H.264 encoder: macroblocks are sent raw (I_PCM) or not at all (P_Skip). Constrained baseline, one slice a
 * picture, one reference, display order is decoding order.
 *
 * @see ITU-T H.264 7.3.2.1, 7.3.2.2, 7.3.3 to 7.3.5
 */
import { BitWriter } from './test-bits.ts';
import type { Patch, PictureSize } from './test-picture.ts';

const level = { idc: 40, maxMbs: 8192 } as const;
/** mb_type of I_PCM in an I slice (table 7-11); in a P slice five inter types come first. */
const pcmType = { intra: 25, inter: 30 } as const;
const frameNumBits = 8;
const startCode = Buffer.of(0, 0, 0, 1);
const delimiters = { intra: Buffer.of(0, 0, 0, 1, 0x09, 0x10), inter: Buffer.of(0, 0, 0, 1, 0x09, 0x30) };

/** Turns pictures into access units (Annex B): delimiter, parameter sets before an IDR picture, and the slice. */
export class TestEncoder {
  readonly #totalMbs: number;
  readonly #parameterSets: Buffer;
  #frameNum = 0;
  #idrId = 0;

  constructor(size: PictureSize, fps: number) {
    this.#totalMbs = size.widthMbs * size.heightMbs;
    if (this.#totalMbs > level.maxMbs) {
      throw new RangeError(`test camera: ${this.#totalMbs} macroblocks are more than ${level.maxMbs}`);
    }
    this.#parameterSets = Buffer.concat([encodeSps(size, fps), encodePps()]);
  }

  /** @param macroblocks all of them, in order */
  encodeIdr(macroblocks: readonly Patch[]): Buffer {
    this.#frameNum = 0;
    // Two IDR pictures in a row must differ in their id.
    this.#idrId ^= 1;
    return Buffer.concat([delimiters.intra, this.#parameterSets, this.#encodeSlice('intra', macroblocks)]);
  }

  /** @param macroblocks those to send, in order; the others stay as they were */
  encodeInter(macroblocks: readonly Patch[]): Buffer {
    this.#frameNum = (this.#frameNum + 1) % 2 ** frameNumBits;
    return Buffer.concat([delimiters.inter, this.#encodeSlice('inter', macroblocks)]);
  }

  #encodeSlice(kind: 'intra' | 'inter', macroblocks: readonly Patch[]): Buffer {
    const bits = new BitWriter(64 + macroblocks.length * 400);
    this.#writeHeader(bits, kind);
    let next = 0;
    for (const { mb, tile } of macroblocks) {
      if (kind === 'inter') bits.unsigned(mb - next);
      bits.unsigned(pcmType[kind]);
      bits.align();
      bits.bytes(tile);
      next = mb + 1;
    }
    if (kind === 'inter' && next < this.#totalMbs) bits.unsigned(this.#totalMbs - next);
    return nal(kind === 'intra' ? 0x65 : 0x41, bits.finish());
  }

  #writeHeader(bits: BitWriter, kind: 'intra' | 'inter'): void {
    bits.unsigned(0); // first_mb_in_slice
    bits.unsigned(kind === 'intra' ? 7 : 5); // slice_type
    bits.unsigned(0); // pic_parameter_set_id
    bits.fixed(frameNumBits, this.#frameNum);
    if (kind === 'intra') bits.unsigned(this.#idrId);
    bits.fixed(1, 0); // no_output_of_prior_pics_flag | num_ref_idx_active_override_flag
    bits.fixed(1, 0); // long_term_reference_flag | ref_pic_list_modification_flag_l0
    if (kind === 'inter') bits.fixed(1, 0); // adaptive_ref_pic_marking_mode_flag
    bits.signed(0); // slice_qp_delta
    bits.unsigned(1); // disable_deblocking_filter_idc: what was sent is what is shown
  }
}

function encodeSps(size: PictureSize, fps: number): Buffer {
  const bits = new BitWriter(64);
  bits.fixed(8, 66); // profile_idc: baseline
  bits.fixed(8, 0xc0); // constraint_set0 and 1: also main profile
  bits.fixed(8, level.idc);
  bits.unsigned(0); // seq_parameter_set_id
  bits.unsigned(frameNumBits - 4);
  bits.unsigned(2); // pic_order_cnt_type: output order is decoding order
  bits.unsigned(1); // max_num_ref_frames
  bits.fixed(1, 0); // gaps_in_frame_num_value_allowed_flag
  bits.unsigned(size.widthMbs - 1);
  bits.unsigned(size.heightMbs - 1);
  bits.fixed(1, 1); // frame_mbs_only_flag
  bits.fixed(1, 1); // direct_8x8_inference_flag
  bits.fixed(1, 0); // frame_cropping_flag
  bits.fixed(1, 1); // vui_parameters_present_flag
  writeVui(bits, fps);
  return nal(0x67, bits.finish());
}

/** Frame rate, and that no picture waits for another: players show frames at once. @see ITU-T H.264 E.1.1 */
function writeVui(bits: BitWriter, fps: number): void {
  bits.fixed(4, 0); // aspect_ratio, overscan, video_signal_type, chroma_loc: absent
  bits.fixed(1, 1); // timing_info_present_flag
  bits.fixed(32, 1); // num_units_in_tick, of fields
  bits.fixed(32, 2 * fps); // time_scale
  bits.fixed(1, 1); // fixed_frame_rate_flag
  bits.fixed(3, 0); // nal_hrd, vcl_hrd, pic_struct: absent
  bits.fixed(1, 1); // bitstream_restriction_flag
  bits.fixed(1, 1); // motion_vectors_over_pic_boundaries_flag
  bits.unsigned(0); // max_bytes_per_pic_denom: no bound
  bits.unsigned(0); // max_bits_per_mb_denom: no bound
  bits.unsigned(0); // log2_max_mv_length_horizontal
  bits.unsigned(0); // log2_max_mv_length_vertical
  bits.unsigned(0); // max_num_reorder_frames
  bits.unsigned(1); // max_dec_frame_buffering
}

function encodePps(): Buffer {
  const bits = new BitWriter(16);
  bits.unsigned(0); // pic_parameter_set_id
  bits.unsigned(0); // seq_parameter_set_id
  bits.fixed(2, 0); // CAVLC; no bottom field order
  bits.unsigned(0); // num_slice_groups_minus1
  bits.unsigned(0); // num_ref_idx_l0_default_active_minus1
  bits.unsigned(0); // num_ref_idx_l1_default_active_minus1
  bits.fixed(3, 0); // no weighted prediction
  bits.signed(0); // pic_init_qp_minus26
  bits.signed(0); // pic_init_qs_minus26
  bits.signed(0); // chroma_qp_index_offset
  bits.fixed(1, 1); // deblocking_filter_control_present_flag
  bits.fixed(2, 0); // no constrained intra prediction, no redundant pictures
  return nal(0x68, bits.finish());
}

/** Start code, header and payload with emulation prevention. */
function nal(header: number, raw: Buffer): Buffer {
  const parts: Buffer[] = [startCode, Buffer.of(header)];
  let from = 0;
  for (let at = raw.indexOf('0000', 0, 'hex'); at !== -1 && at + 2 < raw.length;) {
    if ((raw[at + 2] ?? 0) > 3) {
      at = raw.indexOf('0000', at + 1, 'hex');
      continue;
    }
    parts.push(raw.subarray(from, at + 2), Buffer.of(3));
    from = at + 2;
    at = raw.indexOf('0000', from, 'hex');
  }
  return Buffer.concat([...parts, raw.subarray(from)]);
}
