import CAutogradKernels
import AutogradKernels

// Causal self-attention over one fused product qkv [B, T, (H + 2·KV)·D], H a multiple of KV:
//   P = softmax(Q·Kᵀ/√D) over the keys that query i sees;   y = P·V
//   dV = Pᵀ·dy,  dP = dy·Vᵀ,  dS = P ∘ (dP − ⟨dy, y⟩)/√D,  dQ = dS·K,  dK = dSᵀ·Q
// A query sees its own key and those before it, in its document and in its window. Heads of q and k may be normalised
// and turned by their positions before: the kernel does so where it reads them, and back where it writes dq and dk.
//
// The T × T matrix never exists: rows are taken in groups, and backward computes P again from each row's maximum
// and sum, the only things kept. Products run at the tape's precision, in pairs of bfloat16 where the CPU has them.
// 4·B·T²·H·D flops forward and 10·B·T²·H·D backward, halved by causality.
//
// INVARIANT: as in TapeCore+Kernels.swift; the step's forms keep rotary tables alive, whose rows are filled as far as
// the positions that `checkPositions` has seen.

/// Slots of what attention reads; −1 for what is absent.
struct AttentionOperands {
  let qkv: Slot
  /// Of the norm of queries and keys, where the form has one.
  var queryWeight = -1, keyWeight = -1
  /// Tokens [B, T].
  var positions = -1
}

package extension TapeCore {
  func attention(_ qkv: Slot, headCount: Int, dropout: Double) throws(Misuse) -> Slot {
    try attention(AttentionOperands(qkv: qkv), AttentionForm(headCount: headCount), dropout: dropout)
  }

  internal func attention(
    _ x: AttentionOperands, _ form: AttentionForm, dropout: Double
  ) throws(Misuse) -> Slot {
    let input = nodes[x.qkv].shape
    try form.check(input)
    let H = form.headCount, D = form.headSize(input[2]), B = input[0], T = input[1]
    try checkNormWeight(x.queryWeight, "query weight", headSize: D)
    try checkNormWeight(x.keyWeight, "key weight", headSize: D)
    let positionCount = try checkPositions(x.positions, form, input)
    try checkDropout(dropout, "causalAttention")
    let y = try result(
      Shape([B, T, H &* D] as InlineArray<3, Int>), "causalAttention", of: x.qkv, x.queryWeight, x.keyWeight)
    let statistics = try Shape([B, H, T] as InlineArray<3, Int>).validated("causalAttention")
    let bytes = statistics.count * type.size
    let maximum = unsafe try allocate(bytes, statistics, "causalAttention")
    let reciprocal = unsafe try allocate(bytes, statistics, "causalAttention")
    let random = dropout > 0 ? nextRandomCounters() : (key: 0, step: 0, ordinal: 0)
    let arguments = unsafe attentionArguments(
      x, form, y, dropout: dropout, random: random, maximum: maximum, reciprocal: reciprocal,
      positionCount: positionCount)
    let scratch = unsafe scratch(for: arguments) { unsafe ck_attention_scratch($0, $1, $2) }
    if D > 0 {
      unsafe runProducts(arguments, count: B * H, together: headsTogether(form, batch: B), scratch: scratch)
    }
    unsafe record(
      .attention, x.qkv, x.queryWeight, x.keyWeight, x.positions, output: y, saved: [maximum, reciprocal, nil],
      integers: [
        place(form), Int(bitPattern: UInt(random.key)), Int(bitPattern: UInt(random.step)), Int(random.ordinal),
      ],
      scalars: [dropout, 0])
    return y
  }

  func attentionBackward(_ record: Record) throws(Misuse) {
    let x = AttentionOperands(
      qkv: record.inputs[0], queryWeight: record.inputs[1], keyWeight: record.inputs[2], positions: record.inputs[3])
    let shape = nodes[x.qkv].shape, form = attentionForms[record.integers[0]], D = form.headSize(shape[2])
    let dQueryWeight = unsafe try contribution(to: x.queryWeight, "causalAttention")
    let dKeyWeight = unsafe try contribution(to: x.keyWeight, "causalAttention")
    let target = unsafe try contribution(to: x.qkv, "causalAttention")
    guard target != nil || dQueryWeight != nil || dKeyWeight != nil else { return }
    // Where only the weights are trained, the kernel writes the gradient of qkv nevertheless.
    let unused = target == nil ? unsafe try allocateGradient(shape, "causalAttention") : nil
    let sums = Shape([shape[0] * form.keyValueHeadCount, D] as InlineArray<2, Int>)
    let querySums = dQueryWeight == nil ? nil : unsafe try allocateGradient(sums, "causalAttention")
    let keySums = dKeyWeight == nil ? nil : unsafe try allocateGradient(sums, "causalAttention")
    let random = (
      key: UInt64(UInt(bitPattern: record.integers[1])), step: UInt64(UInt(bitPattern: record.integers[2])),
      ordinal: UInt32(record.integers[3])
    )
    let forward = unsafe attentionArguments(
      x, form, record.output, dropout: record.scalars[0], random: random, maximum: record.saved[0],
      reciprocal: record.saved[1], positionCount: 0)
    guard let dq = unsafe target?.target ?? unused else { return }
    let columns = form.columnsBefore(shape[2]), dy = unsafe gradient(of: record.output)
    let arguments = unsafe ck_attention_backward(
      forward: forward, dy: dy, dq: dq, dk: dq + columns.keys * type.size, dv: dq + columns.values * type.size,
      q_weight_sums: querySums, k_weight_sums: keySums, accumulate: target?.accumulate ?? 0)
    let scratch = unsafe scratch(for: forward) { unsafe ck_attention_backward_scratch($0, $1, $2) }
    if D > 0 { unsafe runProducts(arguments, count: shape[0] * form.keyValueHeadCount, scratch: scratch) }
    unsafe addUp(querySums, sums, into: dQueryWeight)
    unsafe addUp(keySums, sums, into: dKeyWeight)
    if let unused = unsafe unused { unsafe free(unused, shape) }
  }

  /// How many units of forward a thread takes at a time: query heads that share keys, which it then packs once, unless
  /// the threads would not all have the same to do.
  private func headsTogether(_ form: AttentionForm, batch: Int) -> Int {
    let keyHeads = batch * form.keyValueHeadCount, threads = backend.pool.threadCount
    return keyHeads % threads == 0 || keyHeads >= 4 * threads ? form.headCount / form.keyValueHeadCount : 1
  }

  /// - Parameter positionCount: How far the rotary table must be filled.
  @unsafe internal func attentionArguments(
    _ x: AttentionOperands, _ form: AttentionForm, _ y: Slot, dropout: Double,
    random: (key: UInt64, step: UInt64, ordinal: UInt32), maximum: UnsafeMutableRawPointer?,
    reciprocal: UnsafeMutableRawPointer?, positionCount: Int
  ) -> ck_attention {
    let shape = nodes[x.qkv].shape, T = shape[1], width = shape[2], D = form.headSize(width)
    let counters = dropoutCounters(random), q = unsafe data(x.qkv), columns = form.columnsBefore(width)
    var cosines: UnsafeRawPointer? = nil, sines: UnsafeRawPointer? = nil
    if let rotary = form.rotary {
      // A plan takes no memory for the table.
      let planned = unsafe UnsafeRawPointer(TapeCore.plannedAddress)
      unsafe (cosines, sines) = isPlanning ? (planned, planned) : rotary.pointers(filledTo: positionCount)
    }
    return unsafe ck_attention(
      q: q, k: q + columns.keys * type.size, v: q + columns.values * type.size, y: data(y), maximum: maximum,
      reciprocal_sum: reciprocal, q_stride: width, k_stride: width, v_stride: width, T: T, H: form.headCount,
      KV: form.keyValueHeadCount, D: D, window: max(1, min(form.window ?? T, T)),
      scale: 1 / Double(max(1, D)).squareRoot(), positions: x.positions < 0 ? nil : tokenData(x.positions),
      normalizes: form.normEpsilon == nil ? 0 : 1, norm_epsilon: form.normEpsilon ?? 0,
      q_weight: optionalData(x.queryWeight), k_weight: optionalData(x.keyWeight), cosines: cosines, sines: sines,
      rotary_size: form.rotary.map { 2 * $0.frequencies.count } ?? 0,
      interleaves: form.rotary?.interleaves == true ? 1 : 0,
      dropout_rate: dropout, key: random.key, counter1: counters.0, counter2: counters.1, counter3: counters.2)
  }

  /// Elements of scratch memory for each thread: what `count` says of the kernels' table, these arguments, and 1 where
  /// the kernels that multiply pairs run.
  @unsafe internal func scratch<Arguments: KernelArguments>(
    for arguments: Arguments, _ count: (UnsafePointer<ck_table>, UnsafePointer<Arguments>, Int32) -> Int
  ) -> Int {
    let pairs: Int32 = backend.usesPairs(type, matmulPrecision) ? 1 : 0
    return unsafe withUnsafePointer(to: backend.table(type)) { table in
      unsafe withUnsafePointer(to: arguments) { unsafe count(table, $0, pairs) }
    }
  }
}

/// What attention does to each head of queries and of keys before it turns and multiplies them: divides it by
/// √(mean of its squares + ε), and multiplies it by weights [head size] where there are any (RMS norm).
public struct QueryKeyNorm<Scalar: TensorScalar> {
  public var query, key: (any Operand<Scalar>)?
  public var epsilon: Double

  /// - Parameters:
  ///   - query, key: The weights, shared by all heads; nil for ones.
  ///   - epsilon: Not below 0.
  public init(query: (any Operand<Scalar>)? = nil, key: (any Operand<Scalar>)? = nil, epsilon: Double = 1e-6) {
    self.query = query
    self.key = key
    self.epsilon = epsilon
  }
}

extension TapeCore {
  /// How an attention is formed and what it reads, of what the public functions are given.
  func attentionCall<Scalar: TensorScalar>(
    _ qkv: Slot, headCount: Int, keyValueHeadCount: Int?, window: Int?, rotary: RotaryTable<Scalar>?,
    queryKeyNorm: QueryKeyNorm<Scalar>?, positions: Tokens?
  ) throws(Misuse) -> (AttentionOperands, AttentionForm) {
    let form = AttentionForm(
      headCount: headCount, keyValueHeadCount: keyValueHeadCount, window: window, rotary: rotary?.core,
      normEpsilon: queryKeyNorm?.epsilon)
    let operands = AttentionOperands(
      qkv: qkv, queryWeight: try place(queryKeyNorm?.query, "causalAttention"),
      keyWeight: try place(queryKeyNorm?.key, "causalAttention"), positions: try place(positions, "causalAttention"))
    return (operands, form)
  }
}

extension Variable {
  /// Lets every token attend to itself and to the tokens before it, in `headCount` heads of queries.
  ///
  /// Masked keys never enter a sum: changing a token, be it to NaN, leaves the results before it, behind its window and
  /// in other documents the same bit for bit; the first t rows equal those of the first t tokens alone; and so does a
  /// document equal itself alone, values and gradients. Keys and values are never copied for the heads that share them.
  ///
  /// Shapes: `self` [B, T, (H + 2·KV)·D], the columns queries, keys, values, each split into heads of D neighbouring
  /// columns → [B, T, H·D].
  /// Formula: softmax(Q·Kᵀ/√D)·V per head; query head h reads the keys and values of head h / (H / KV).
  ///
  /// - Parameters:
  ///   - headCount: H.
  ///   - keyValueHeadCount: KV, a divisor of H; as many as H unless given.
  ///   - rotary: Turns queries and keys by their positions, after the norm.
  ///   - queryKeyNorm: Normalises each head of queries and keys.
  ///   - window: How many tokens a token sees, itself among them; all unless given.
  ///   - positions: Each token's place in its document, [B, T]; 0 begins a document, and a token sees only its own. The
  ///     first token of a sequence begins one whatever it says. 0, 1, 2 … unless given.
  ///   - dropout: The share of attention weights to drop while recording.
  /// - Precondition: The last axis is a multiple of H + 2·KV, weights of the norm are [D], the rotary table is for
  ///   heads of D columns and has all positions; otherwise stops and prints what does not fit.
  /// - Complexity: 2·B·T²·H·D flops, 5·B·T²·H·D backward, less with a window or documents; keeps 2·B·T·H numbers.
  public func causalAttention(
    headCount: Int, keyValueHeadCount: Int? = nil, rotary: RotaryTable<Scalar>? = nil,
    queryKeyNorm: QueryKeyNorm<Scalar>? = nil, window: Int? = nil, positions: Tokens? = nil, dropout: Double = 0
  ) -> Variable {
    apply("causalAttention") { c, qkv throws(Misuse) in
      let (operands, form) = try c.attentionCall(
        qkv, headCount: headCount, keyValueHeadCount: keyValueHeadCount, window: window, rotary: rotary,
        queryKeyNorm: queryKeyNorm, positions: positions)
      return try c.attention(operands, form, dropout: c.isRecording ? dropout : 0)
    }
  }
}
