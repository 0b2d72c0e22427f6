import AutogradKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the frequencies of a rotary table are changed for contexts longer than those a model was first trained with.
public enum RotaryScaling: Sendable, Hashable {
  case none
  /// Every frequency divided by `factor`.
  case linear(factor: Double)
  /// Those whose wavelength is over originalContext / lowFactor divided by `factor`, those under
  /// originalContext / highFactor as they are, the others in between: Llama 3.1.
  case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalContext: Int)
}

/// Which columns of a head make the pairs that are turned together, of R that are turned at all.
public enum RotaryConvention: Sendable, Hashable {
  /// j and j + R/2: Hugging Face.
  case half
  /// 2j and 2j + 1: the paper, and GPT-J.
  case interleaved
}

/// Which way a pair (a, b) is turned.
public enum RotaryDirection: Sendable, Hashable {
  /// (a·cos − b·sin, b·cos + a·sin): the paper, and nearly everybody.
  case forward
  /// (a·cos + b·sin, b·cos − a·sin): nanochat.
  case backward
}

/// Cosines and sines of rotary position embeddings (Su et al., "RoFormer", 2021), for `causalAttention`.
///
/// It belongs to a model, whose layers share it; nothing in it is trained or saved. Values are computed in `Double` and
/// then rounded. Rows are filled up to the longest sequence so far, so a long context costs address space until it is
/// used.
///
/// Formula: pair j of R/2 turns by position · f(j), f(j) = base^(−2j/R), which `scaling` changes.
public final class RotaryTable<Scalar: TensorScalar>: Sendable {
  package let core: RotaryCore

  public let scaling: RotaryScaling
  public let base: Double

  /// - Parameters:
  ///   - contextLength: How many positions it has; attention over others stops.
  ///   - share: The share of a head's columns that are turned, from the first on.
  /// - Precondition: `share` of `headSize` is an even number of columns from 2 to `headSize`, and `base` and `scaling`
  ///   make frequencies above 0; otherwise stops and prints them.
  public init(
    contextLength: Int, headSize: Int, base: Double = 10_000, scaling: RotaryScaling = .none, share: Double = 1,
    convention: RotaryConvention = .half, direction: RotaryDirection = .forward
  ) {
    let rotated = share > 0 && share <= 1 ? Int(Double(headSize) * share) : 0
    guard rotated >= 2, rotated % 2 == 0, contextLength > 0 else {
      fatalError(
        "RotaryTable: a share of \(share) of heads of \(headSize) columns turns \(rotated) of them at \(contextLength) "
          + "positions; it wants pairs of columns, and a position")
    }
    let frequencies = RotaryTable.frequencies(rotated, base: base, scaling)
    guard frequencies.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      fatalError("RotaryTable: a base of \(base) with scaling \(scaling) makes the frequencies \(frequencies)")
    }
    self.scaling = scaling
    self.base = base
    core = RotaryCore(
      type: Scalar.elementType, positionCount: contextLength, headSize: headSize, frequencies: frequencies,
      interleaves: convention == .interleaved, turnsBack: direction == .backward)
  }

  public var contextLength: Int { core.positionCount }
  public var headSize: Int { core.headSize }
  /// How many of a head's columns are turned.
  public var rotatedSize: Int { core.frequencies.count * 2 }
  public var convention: RotaryConvention { core.interleaves ? .interleaved : .half }
  public var direction: RotaryDirection { core.turnsBack ? .backward : .forward }

  /// Bytes of the table once all of its positions were used.
  public var byteCount: Int { core.byteCount }

  /// Takes the memory and fills it for the first `count` positions, or for all of them, so that no step has to.
  ///
  /// - Returns: Whether the system had it.
  public func reserve(positions count: Int? = nil) -> Bool { core.reserve(count ?? contextLength) }

  /// The angle per position of each pair.
  package static func frequencies(_ rotated: Int, base: Double, _ scaling: RotaryScaling) -> [Double] {
    (0..<rotated / 2).map { j in
      let frequency = pow(base, -2 * Double(j) / Double(rotated))
      switch scaling {
      case .none: return frequency
      case .linear(let factor): return frequency / factor
      case .llama3(let factor, let low, let high, let original):
        let wavelength = 2 * Double.pi / frequency, context = Double(original)
        if wavelength < context / high { return frequency }
        if wavelength > context / low { return frequency / factor }
        let share = (context / wavelength - low) / (high - low)
        return (1 - share) * frequency / factor + share * frequency
      }
    }
  }
}

/// A rotary table without its scalar type.
///
/// INVARIANT: `memory` holds the cosines [positions, pairs], and behind them the sines; rows before `filled` are
/// written and never change.
@safe package final class RotaryCore: @unchecked Sendable {
  let type: ElementType
  let positionCount, headSize: Int
  let frequencies: [Double]
  let interleaves, turnsBack: Bool
  private let memory: PersistentBlock
  private let filled = Atomic<Int>(0)
  private let filling = Mutex(())

  init(
    type: ElementType, positionCount: Int, headSize: Int, frequencies: [Double], interleaves: Bool, turnsBack: Bool
  ) {
    self.type = type
    self.positionCount = positionCount
    self.headSize = headSize
    self.frequencies = frequencies
    self.interleaves = interleaves
    self.turnsBack = turnsBack
    memory = PersistentBlock(byteCount: 2 * positionCount * frequencies.count * type.size)
  }

  var byteCount: Int { memory.byteCount }

  func reserve(_ count: Int) -> Bool {
    guard memory.take() else { return false }
    // Filling touches what it fills.
    fill(count)
    return true
  }

  /// The table, filled for the first `count` positions. Two threads may come at once: one of them fills it.
  ///
  /// INVARIANT: `count` ≤ `positionCount`; the pointers are valid while this object lives.
  @unsafe func pointers(filledTo count: Int) -> (cosines: UnsafeRawPointer, sines: UnsafeRawPointer) {
    if filled.load(ordering: .acquiring) < count { fill(count) }
    let start = unsafe UnsafeRawPointer(memory.start)
    return unsafe (start, start + positionCount * frequencies.count * type.size)
  }

  private func fill(_ count: Int) {
    filling.withLock { _ in
      let before = filled.load(ordering: .relaxed)
      guard count > before else { return }
      for position in before..<count { fillRow(position) }
      filled.store(count, ordering: .releasing)
    }
  }

  private func fillRow(_ position: Int) {
    let half = positionCount * frequencies.count
    for (pair, frequency) in frequencies.enumerated() {
      let angle = Double(position) * frequency, at = position * frequencies.count + pair
      write(cos(angle), at: at)
      write(turnsBack ? -sin(angle) : sin(angle), at: half + at)
    }
  }

  private func write(_ value: Double, at index: Int) {
    switch type {
    case .float32: unsafe memory.start.storeBytes(of: Float(value), toByteOffset: index * 4, as: Float.self)
    case .float64: unsafe memory.start.storeBytes(of: value, toByteOffset: index * 8, as: Double.self)
    }
  }
}
