import CAutogradKernels

// Table look-up: y[i] = table[token i]; dtable[token i] += dy[i], in token order, one owner per channel range.
//
// INVARIANT: as in TapeCore+Kernels.swift; tokens lie inside the table, which `checkTokens` makes sure of.

package extension TapeCore {
  func embedding(_ table: Slot, _ tokens: Slot) throws(Misuse) -> Slot {
    let shape = nodes[table].shape
    guard shape.rank == 2 else {
      throw Misuse("embedding", "expected a table [vocabulary, channels], got \(shape)")
    }
    try checkTokens(tokens, below: shape[0], "embedding")
    var result = nodes[tokens].shape
    guard result.rank < Shape.maximumRank else { throw Misuse("embedding", "tokens \(result) have too many axes") }
    result.append(shape[1])
    let y = try self.result(result, "embedding", of: table)
    if let stored = storedWeight(table) {
      let arguments = unsafe ck_weight_embedding(weight: stored.kernelWeight, y: data(y), tokens: tokenData(tokens))
      unsafe runRows(arguments, count: result.rows, columns: shape[1])
      unsafe record(.embedding, table, tokens, output: y)
      return y
    }
    var arguments = unsafe ck_embedding(
      y: data(y), table: nodes[table].data, tokens: tokenData(tokens), columns: shape[1], update: nil)
    if let parameter = unsafe nodes[table].parameter?.takeUnretainedValue() {
      // A deferred update stays deferred: a product reads the table too. Only the rows that are asked for are new.
      // INVARIANT: the rule is used only during the call.
      unsafe parameter.withDeferredUpdate { rule in
        unsafe arguments.update = rule
        unsafe runRows(arguments, count: result.rows, columns: shape[1])
        return false
      }
    } else {
      unsafe runRows(arguments, count: result.rows, columns: shape[1])
    }
    unsafe record(.embedding, table, tokens, output: y)
    return y
  }

  func embeddingBackward(_ record: Record) throws(Misuse) {
    let table = record.inputs[0], tokens = record.inputs[1], shape = nodes[table].shape
    guard let target = unsafe try contribution(to: table, "embedding") else { return }
    unsafe clear(target, count: shape.count)
    let arguments = unsafe ck_embedding_backward(
      dtable: target.target, dy: gradient(of: record.output), tokens: tokenData(tokens),
      rows: nodes[tokens].shape.count, columns: shape[1])
    unsafe runColumns(arguments, columns: shape[1], rows: nodes[tokens].shape.count)
  }

  @unsafe func tokenData(_ slot: Slot) -> UnsafePointer<Int32> {
    unsafe UnsafePointer(nodes[slot].data.assumingMemoryBound(to: Int32.self))
  }

  /// Throws unless every token lies in 0..<limit, or equals `ignored`.
  func checkTokens(
    _ tokens: Slot, below limit: Int, ignoring ignored: Int32? = nil, _ operation: StaticString
  ) throws(Misuse) {
    if isPlanning { return }
    let data = unsafe tokenData(tokens)
    for index in 0..<nodes[tokens].shape.count {
      let token = unsafe data[index]
      guard token < 0 || token >= limit, token != ignored else { continue }
      throw Misuse(
        operation, "token \(token) at position \(index) is outside the vocabulary of \(limit)",
        hint: "tokens run from 0 to \(limit - 1)")
    }
  }
}

extension Tokens {
  /// Looks each token up in `table`.
  ///
  /// Shapes: tokens [...], `table` [V, C] → [..., C].
  ///
  /// - Precondition: Every token lies in 0..<V; otherwise stops and names token and position.
  /// - Complexity: copies one row per token; backward writes the whole table's gradient once.
  public func embedding<Scalar>(_ table: some Operand<Scalar>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in
      let core = try TapeTable.core(of: handle, "embedding")
      let tokens = try core.slot(handle, "embedding")
      let result = try core.observed("embedding") { () throws(Misuse) in
        try core.embedding(try table.weightPlace(core, "embedding"), tokens)
      }
      return Variable(core.handle(result))
    }
  }
}
