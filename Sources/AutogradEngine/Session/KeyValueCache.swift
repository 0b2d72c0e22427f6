import AutogradKernels

/// What keys and values are kept in.
public enum CacheType: String, CaseIterable, Sendable {
  /// As the layers make them.
  case f32
  /// Rounded to bfloat16: half the memory, and attention over rounded keys and values.
  case bf16

  /// Why a cache for this tape cannot keep keys and values so; nil where it can.
  package func problem<Scalar: TensorScalar>(on tape: Tape<Scalar>) -> String? {
    guard tape.core.type == .float32 else { return "those of Double are kept as they are; leave the type out" }
    let pairs = tape.backend.usesPairs(tape.core.type, tape.matmulPrecision)
    return self == .f32 && pairs
      ? "products in bfloat16 take them in bfloat16; leave the type out, or multiply in float32" : nil
  }
}

/// How much a cache keeps.
public struct CacheSizes: Sendable, Equatable {
  /// Layers of attention.
  public var layerCount: Int
  /// Texts that are kept side by side, each with a length of its own.
  public var sequenceCount: Int
  /// Tokens of each text, at most.
  public var capacity: Int
  public var keyValueHeadCount: Int
  /// Columns of a head.
  public var headSize: Int

  public init(layerCount: Int, sequenceCount: Int = 1, capacity: Int, keyValueHeadCount: Int, headSize: Int) {
    self.layerCount = layerCount
    self.sequenceCount = sequenceCount
    self.capacity = capacity
    self.keyValueHeadCount = keyValueHeadCount
    self.headSize = headSize
  }
}

/// The keys and values of texts that go on: a token that is new attends to those before it without computing them again.
///
/// It outlives the steps of a tape. Attention adds to it and reads it where it is given a `CachePass`; the lengths of the
/// texts change only when `complete` is told that the pass is through. What a pass computes is what attention over the
/// whole texts would, bit for bit, however they are cut into passes and whatever passes hold beside them.
///
/// It is made for the instruction set and the precision of a tape, in whose panels keys and values are kept: products in
/// bfloat16 keep them so, whatever the type. Memory is taken by `reserve()`, or at the first use, and stays.
///
/// One thread at a time. Nothing in it has a gradient.
public final class KeyValueCache<Scalar: TensorScalar> {
  package let core: KeyValueCacheCore

  /// - Parameters:
  ///   - type: What they are kept in; nil for what the tape's products take: bfloat16 where they multiply pairs of it.
  ///   - tape: Which the passes run on, or one with the same backend and precision.
  /// - Precondition: Sizes of at least 1. `f32` is not what products in pairs of bfloat16 take, and `bf16` not for
  ///   `Double`; otherwise stops and says so.
  public init(_ sizes: CacheSizes, type: CacheType? = nil, tape: Tape<Scalar>) {
    if let problem = type?.problem(on: tape) { fatalError("KeyValueCache: \(problem)") }
    core = stopping { () throws(Misuse) in
      KeyValueCacheCore(sizes, try CacheLayout(sizes, type: type, tape.core))
    }
  }

  /// The bytes that such a cache takes, exactly.
  ///
  /// Formula: layers · sequences · heads · capacity · (D + D′) numbers of 4 bytes, or of 2 in bfloat16; the capacity in
  /// whole panels, D′ a head's columns in whole panels, D even in pairs.
  public static func byteCount(_ sizes: CacheSizes, type: CacheType? = nil, tape: Tape<Scalar>) -> Int {
    stopping { () throws(Misuse) in try CacheLayout(sizes, type: type, tape.core).byteCount }
  }

  public var sizes: CacheSizes { core.sizes }
  public var sequenceCount: Int { core.sizes.sequenceCount }
  public var capacity: Int { core.sizes.capacity }
  public var byteCount: Int { core.layout.byteCount }
  /// What the numbers are kept in.
  public var type: CacheType { core.layout.storage == .elements ? .f32 : .bf16 }
  /// Rows of a pass that a register tile takes: scratch memory grows in steps of so many.
  package var rowsPerTile: Int { core.layout.rowsPerTile }
  /// How many tokens of each text are kept.
  public var lengths: [Int] { core.lengths }

  /// Takes all the memory at once and touches it, so that no pass has to.
  ///
  /// - Returns: Whether the system had it.
  public func reserve() -> Bool { core.reserve() }

  /// Forgets what a text has behind its first `length` tokens; 0 forgets it all.
  ///
  /// - Precondition: The text has as many tokens.
  /// - Complexity: O(1)
  public func truncate(_ sequence: Int, to length: Int) {
    stopping { () throws(Misuse) in try core.truncate(sequence, to: length) }
  }

  /// Makes a text of the first `count` tokens of another: what follows them need not be computed twice.
  ///
  /// - Precondition: The other text has as many tokens.
  /// - Complexity: O(count)
  public func copyPrefix(of source: Int, to target: Int, count: Int) {
    stopping { () throws(Misuse) in try core.copyPrefix(of: source, to: target, count: count) }
  }

  /// A pass of tokens that go on with their texts, `counts` of each: the rows of the batch [1, rows] in this order.
  ///
  /// - Precondition: Each text once, with room for its tokens.
  public func pass(_ counts: [(sequence: Int, count: Int)]) -> CachePass<Scalar> {
    stopping { () throws(Misuse) in
      let parts = try counts.map { part throws(Misuse) in (part.sequence, part.count, try core.length(of: part.sequence)) }
      return CachePass(try CachePassCore(core, parts))
    }
  }

  /// The pass of `rows` tokens that needs most scratch memory: for plans, which look at shapes only. Its rows count as
  /// those of one text, even where they are more than a text may have.
  public func plannedPass(rows: Int) -> CachePass<Scalar> {
    stopping { () throws(Misuse) in CachePass(try CachePassCore(core, [(0, rows, capacity - rows)])) }
  }

  /// Says that all layers have seen a pass: its texts are longer now.
  ///
  /// - Precondition: Nothing changed the lengths since the pass was made.
  public func complete(_ pass: CachePass<Scalar>) {
    stopping { () throws(Misuse) in try core.complete(pass.core) }
  }
}

/// Which rows of a batch [1, rows] go on with which texts of a cache, and where.
public struct CachePass<Scalar: TensorScalar> {
  package let core: CachePassCore

  init(_ core: CachePassCore) { self.core = core }

  public var rowCount: Int { core.rowCount }

  /// Each row's place in its text, on the tape of `tokens`.
  ///
  /// Shapes: tokens [1, rows] → [1, rows].
  public func positions(beside tokens: Tokens) -> Tokens {
    stopping { () throws(Misuse) in
      let tape = try TapeTable.core(of: tokens.handle, "positions")
      return try tape.tokens(tape.isPlanning ? nil : core.positions.span, Shape([1, rowCount] as InlineArray<2, Int>))
    }
  }

  /// The same pass for the attention of one layer, counted from 0.
  public func layer(_ index: Int) -> CachedLayer<Scalar> { CachedLayer(pass: core, index: index) }
}

/// A layer's part of a pass through a cache.
public struct CachedLayer<Scalar: TensorScalar> {
  let pass: CachePassCore
  let index: Int
}
