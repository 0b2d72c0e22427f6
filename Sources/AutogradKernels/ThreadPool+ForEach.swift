extension ThreadPool {
  /// Calls `body` with 0, 1, …, `count` − 1, each once, on several threads at once and in any order. Returns when all are
  /// done. For work that takes far longer than a tile of a kernel, such as reading a piece of a file.
  ///
  /// - Complexity: A closure's memory; no order is promised, so whoever needs one keeps results by their number.
  package func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    // INVARIANT: the closure lives until `run` returns, which is when no thread calls it any more.
    unsafe withUnsafePointer(to: body) { pointer in
      unsafe run(
        { arguments, first, end, _ in
          let body = unsafe arguments!.assumingMemoryBound(to: (@Sendable (Int) -> Void).self).pointee
          for index in first..<end { body(index) }
        }, UnsafeRawPointer(pointer), count: count, grain: 1, scratch: Scratch(base: nil, stride: 0))
    }
  }
}
