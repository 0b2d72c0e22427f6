import CAutogradKernels
import AutogradKernels

// Causal self-attention of rows that go on with texts whose keys and values are kept: `causalAttention` over the whole
// texts, at the rows that are new. First the new keys and values are kept, normalised and turned; then each row goes over
// the keys of its text up to its own.
//
// A lone row costs what reading its keys and values does: 2·D·position numbers for each head of keys, since query heads
// that share them are multiplied together. Nothing is recorded: there is no gradient.
//
// INVARIANT: as in TapeCore+Kernels.swift. The cache's memory holds what `CacheLayout` says, spans lie inside of it, which
// `CachePassCore` checks, and no two threads write the same head; positions are the spans' own, which `check` compares.

extension TapeCore {
  /// As many heads of keys as of queries, neither normalised nor turned. `positions` [1, R] are the pass's.
  package func attention(
    _ qkv: Slot, headCount: Int, positions: Slot, through pass: CachePassCore, layer: Int
  ) throws(Misuse) -> Slot {
    try attention(
      AttentionOperands(qkv: qkv, positions: positions), AttentionForm(headCount: headCount), through: pass, layer: layer)
  }

  func attention(
    _ x: AttentionOperands, _ form: AttentionForm, through pass: CachePassCore, layer: Int
  ) throws(Misuse) -> Slot {
    let input = nodes[x.qkv].shape, cache = pass.cache
    try form.check(input)
    let D = form.headSize(input[2])
    try checkNormWeight(x.queryWeight, "query weight", headSize: D)
    try checkNormWeight(x.keyWeight, "key weight", headSize: D)
    try check(pass, layer, form, input)
    let positionCount = try checkPositions(x.positions, form, input)
    try checkPositions(x.positions, of: pass)
    let y = try temporary(
      Shape([1, input[1], form.headCount &* D] as InlineArray<3, Int>), "causalAttention", requiresGradient: false)
    var attention = unsafe attentionArguments(
      x, form, y, dropout: 0, random: (0, 0, 0), maximum: nil, reciprocal: nil, positionCount: positionCount)
    unsafe attention.window = min(form.window ?? cache.layout.capacity, cache.layout.capacity)
    let planned = unsafe TapeCore.plannedAddress
    let (keys, values) = unsafe isPlanning ? (planned, planned) : cache.pointers(layer: layer)
    unsafe pass.spans.withUnsafeBufferPointer { spans in
      let arguments = unsafe ck_cached_attention(
        attention: attention, spans: spans.baseAddress, span_count: spans.count, rows_per_block: pass.rowsPerBlock,
        keys: keys, values: values, capacity: cache.layout.capacity, longest: pass.longest,
        halves: cache.layout.storage == .halves ? 1 : 0)
      unsafe run(arguments, pass)
    }
    return y
  }

  @unsafe private func run(_ arguments: ck_cached_attention, _ pass: CachePassCore) {
    let scratch = unsafe scratch(for: arguments) { unsafe ck_cached_attention_scratch($0, $1, $2) } * type.size
    let H = unsafe arguments.attention.H, KV = unsafe arguments.attention.KV, keyHeads = pass.spans.count * KV
    let units = pass.blockCount * H, threads = backend.pool.threadCount
    unsafe backend.run(
      ck_cache_append(pass: arguments), type, count: keyHeads, grain: (keyHeads + threads - 1) / threads,
      scratch: scratch, precision: matmulPrecision)
    // Heads of a lone row that share keys stay together, unless the threads would not all have the same to do.
    let group = !pass.isOfSingleRows ? 1
      : keyHeads % threads == 0 || keyHeads >= 4 * threads ? H / KV : (units + threads - 1) / threads
    unsafe backend.run(
      arguments, type, count: units, grain: group, multiple: group == H / KV ? group : 1, scratch: scratch,
      precision: matmulPrecision)
  }

  // MARK: What must fit

  private func check(
    _ pass: CachePassCore, _ layer: Int, _ form: AttentionForm, _ input: Shape
  ) throws(Misuse) {
    guard !isRecording else {
      throw Misuse(
        "causalAttention", "kept keys and values have no gradient", hint: "go through a cache inside tape.inference { … }")
    }
    let sizes = pass.cache.sizes
    guard 0..<sizes.layerCount ~= layer else {
      throw Misuse("causalAttention", "there is no layer \(layer) in a cache of \(sizes.layerCount)")
    }
    guard form.keyValueHeadCount == sizes.keyValueHeadCount, form.headSize(input[2]) == sizes.headSize else {
      throw Misuse(
        "causalAttention", "the cache keeps \(sizes.keyValueHeadCount) heads of \(sizes.headSize) columns; \(input) makes "
          + "\(form.keyValueHeadCount) of \(form.headSize(input[2]))")
    }
    guard input[0] == 1, input[1] == pass.rowCount else {
      throw Misuse(
        "causalAttention", "a pass of \(pass.rowCount) rows takes queries, keys and values [1, \(pass.rowCount), columns]; "
          + "got \(input)")
    }
    try pass.cache.layout.check(self)
    if !isPlanning { try pass.checkCurrent() }
  }

  /// Throws unless the rows stand where the pass says.
  private func checkPositions(_ slot: Slot, of pass: CachePassCore) throws(Misuse) {
    guard slot >= 0 else {
      throw Misuse("causalAttention", "a pass through a cache has no positions", hint: "give those of the pass")
    }
    if isPlanning { return }
    let data = unsafe tokenData(slot)
    for (row, position) in pass.positions.enumerated() where unsafe data[row] != position {
      throw Misuse(
        "causalAttention", unsafe "row \(row) of the pass stands at \(position), its position says \(data[row])",
        hint: "give the positions of the pass")
    }
  }
}

extension Variable {
  /// Lets tokens that go on with kept texts attend to themselves and to all tokens of their text before them, and keeps
  /// their keys and values.
  ///
  /// The result is that of `causalAttention` over the whole texts at these rows, bit for bit. In a cache of type `bf16`
  /// keys and values are those rounded to bfloat16.
  ///
  /// Shapes: `self` [1, R, (H + 2·KV)·D], R rows of the pass, columns as there → [1, R, H·D].
  ///
  /// - Parameters:
  ///   - positions: Those of the pass, [1, R].
  ///   - cache: The pass and the layer that this is; what that layer kept of these rows is written over.
  /// - Precondition: As for `causalAttention`; the cache has such heads, was made for this tape's precision and instruction
  ///   set, and nothing is recorded.
  /// - Complexity: 4·H·D flops and, alone in its text, 2·KV·D numbers read, for each row and key that it sees.
  public func causalAttention(
    headCount: Int, keyValueHeadCount: Int? = nil, rotary: RotaryTable<Scalar>? = nil,
    queryKeyNorm: QueryKeyNorm<Scalar>? = nil, window: Int? = nil, positions: Tokens,
    through cache: CachedLayer<Scalar>
  ) -> Variable {
    apply("causalAttention") { c, qkv throws(Misuse) in
      let (operands, form) = try c.attentionCall(
        qkv, headCount: headCount, keyValueHeadCount: keyValueHeadCount, window: window, rotary: rotary,
        queryKeyNorm: queryKeyNorm, positions: positions)
      return try c.attention(operands, form, through: cache.pass, layer: cache.index)
    }
  }
}
