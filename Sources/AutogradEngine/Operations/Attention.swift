import CAutogradKernels
import AutogradKernels

// Causal multi-head self-attention over one fused product qkv [B, T, 3C], C = H·D:
//   P = softmax(Q·Kᵀ/√D), keys 0...i for query i;   y = P·V
//   dV = Pᵀ·dy,  dP = dy·Vᵀ,  dS = P ∘ (dP − ⟨dy, y⟩)/√D,  dQ = dS·K,  dK = dSᵀ·Q
// The T × T matrix never exists: rows are taken in groups, and backward computes P again from each row's maximum
// and sum, the only things kept. Products run at the tape's precision, in pairs of bfloat16 where the CPU has them.
// 4·B·T²·C flops forward and 10·B·T²·C backward, halved by causality.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func attention(_ qkv: Slot, headCount H: Int, dropout: Double) throws(Misuse) -> Slot {
    let input = nodes[qkv].shape
    guard input.rank == 3, H > 0, input[2] % 3 == 0, input[2] / 3 % H == 0 else {
      throw Misuse(
        "causalAttention", "expected queries, keys and values [batch, tokens, 3 × channels] with channels a multiple "
          + "of \(H) heads; got \(input)")
    }
    try checkDropout(dropout, "causalAttention")
    let B = input[0], T = input[1], C = input[2] / 3
    let y = try result(Shape([B, T, C] as InlineArray<3, Int>), "causalAttention", of: qkv)
    let statistics = try Shape([B, H, T] as InlineArray<3, Int>).validated("causalAttention")
    let bytes = statistics.count * type.size
    let maximum = unsafe try allocate(bytes, statistics, "causalAttention")
    let reciprocal = unsafe try allocate(bytes, statistics, "causalAttention")
    let random = dropout > 0 ? nextRandomCounters() : (key: 0, step: 0, ordinal: 0)
    let arguments = unsafe attentionArguments(
      qkv, y, H, dropout: dropout, random: random, maximum: maximum, reciprocal: reciprocal)
    let D = C / H, scratch = unsafe withTable { unsafe ck_attention_scratch($0, T, D, $1) }
    if C > 0 { unsafe runProducts(arguments, count: B * H, scratch: scratch) }
    unsafe record(
      .attention, qkv, output: y, saved: [maximum, reciprocal, nil],
      integers: [H, Int(bitPattern: UInt(random.key)), Int(bitPattern: UInt(random.step)), Int(random.ordinal)],
      scalars: [dropout, 0])
    return y
  }

  func attentionBackward(_ record: Record) throws(Misuse) {
    let qkv = record.inputs[0], shape = nodes[qkv].shape, H = record.integers[0]
    guard let target = unsafe try contribution(to: qkv, "causalAttention") else { return }
    let random = (
      key: UInt64(UInt(bitPattern: record.integers[1])), step: UInt64(UInt(bitPattern: record.integers[2])),
      ordinal: UInt32(record.integers[3])
    )
    let forward = unsafe attentionArguments(
      qkv, record.output, H, dropout: record.scalars[0], random: random, maximum: record.saved[0],
      reciprocal: record.saved[1])
    let arguments = unsafe ck_attention_backward(
      forward: forward, dy: gradient(of: record.output), dqkv: target.target, accumulate: target.accumulate)
    let scratch = unsafe withTable { unsafe ck_attention_backward_scratch($0, forward.T, forward.D, $1) }
    if unsafe forward.D > 0 { unsafe runProducts(arguments, count: shape[0] * H, scratch: scratch) }
  }

  @unsafe private func attentionArguments(
    _ qkv: Slot, _ y: Slot, _ H: Int, dropout: Double, random: (key: UInt64, step: UInt64, ordinal: UInt32),
    maximum: UnsafeMutableRawPointer?, reciprocal: UnsafeMutableRawPointer?
  ) -> ck_attention {
    let shape = nodes[qkv].shape, D = shape[2] / 3 / H
    let counters = dropoutCounters(random)
    return unsafe ck_attention(
      qkv: data(qkv), y: data(y), maximum: maximum, reciprocal_sum: reciprocal, T: shape[1], H: H, D: D,
      scale: 1 / Double(max(1, D)).squareRoot(), dropout_rate: dropout, key: random.key,
      counter1: counters.0, counter2: counters.1, counter3: counters.2)
  }

  /// Calls `body` with the table of kernels, and 1 where those that multiply pairs run.
  @unsafe private func withTable<Result>(_ body: (UnsafePointer<ck_table>, Int32) -> Result) -> Result {
    let pairs: Int32 = backend.usesPairs(type, matmulPrecision) ? 1 : 0
    return unsafe withUnsafePointer(to: backend.table(type)) { unsafe body($0, pairs) }
  }
}

extension Variable {
  /// Lets every token attend to itself and to the tokens before it, in `headCount` heads.
  ///
  /// Masked keys never enter a sum: changing a token, be it to NaN, leaves the results before it the same bit for bit,
  /// and the first t rows equal those of the first t tokens alone.
  ///
  /// Shapes: `self` [B, T, 3C], the columns queries, keys, values, each split into heads of C / headCount
  /// neighbouring columns → [B, T, C].
  /// Formula: softmax(Q·Kᵀ/√D)·V per head.
  ///
  /// - Parameter dropout: The share of attention weights to drop while recording.
  /// - Precondition: The last axis is a multiple of 3 · headCount; otherwise stops and prints the shape.
  /// - Complexity: 2·B·T²·C flops, 5·B·T²·C backward; keeps 2·B·T·headCount numbers.
  public func causalAttention(headCount: Int, dropout: Double = 0) -> Variable {
    apply("causalAttention") { c, x throws(Misuse) in
      try c.attention(x, headCount: headCount, dropout: c.isRecording ? dropout : 0)
    }
  }
}
