import CAutogradSystem
import CAutogradV2

/// What a cell holds, and what a sentence calls it.
enum CellKind: UInt32 {
  case free, tensor, variable, tape, arena, context
  case linear, embedding, layerNorm, layerNormV2, attention, feedForward, block, transformer
  case optimizer, adam
  case vocabulary, textDataset, batch, tokenizer, dataset

  var word: StaticString {
    switch self {
    case .free: "freed struct"
    case .tensor: "tensor"
    case .variable: "variable"
    case .tape: "tape"
    case .arena: "arena"
    case .context: "context"
    case .linear: "linear layer"
    case .embedding: "embedding"
    case .layerNorm, .layerNormV2: "norm"
    case .attention: "attention layer"
    case .feedForward: "feed-forward layer"
    case .block: "block"
    case .transformer: "model"
    case .optimizer, .adam: "optimiser"
    case .vocabulary: "vocabulary"
    case .textDataset, .dataset: "data set"
    case .batch: "batch"
    case .tokenizer: "tokenizer"
    }
  }
}

/// Memory for the structs that a program holds and frees: tensors, variables, layers, models, optimisers, arenas.
///
/// It is never given back to the system. A freed struct reads as zeros, and its cell says that it is free until it
/// serves again, after `quarantine` others: whoever frees it twice or goes on using it is told so.
enum Cells {
  private static let bytes = 112
  /// The cell's kind, and the link of the list of free cells. Structs lie before them.
  private static let kindOffset = 88, linkOffset = 96
  private static let quarantine = 4096
  /// At the start of every region: the next region, and its size.
  private static let reserved = 64
  private static let firstRegion = 16384, largestRegion = 1 << 20

  /// Regions, the newest first, and where it is used up to. INVARIANT: read and written inside `withShared` only.
  nonisolated(unsafe) private static var region: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var used = 0
  nonisolated(unsafe) private static var freeFirst: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var freeLast: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var freeCount = 0
  nonisolated(unsafe) private static var lastSerial: UInt64 = 0

  /// What a pointer that a program gave points at.
  enum State: Equatable {
    case live(CellKind)
    case freed
    /// Not of this library.
    case foreign
  }

  /// A zeroed struct; nil where the system has no memory.
  static func take<Struct>(_ type: Struct.Type, _ kind: CellKind) -> UnsafeMutablePointer<Struct>? {
    precondition(MemoryLayout<Struct>.size <= kindOffset)
    guard let cell = withShared({ takeCell(kind) }) else { return nil }
    csystem_unpoison(cell, kindOffset)
    cell.initializeMemory(as: UInt8.self, repeating: 0, count: kindOffset)
    return cell.bindMemory(to: Struct.self, capacity: 1)
  }

  /// Takes a struct back, zeroed; false, and nothing happens, where it is not a live one of `kind`.
  static func giveBack(_ pointer: UnsafeMutableRawPointer, _ kind: CellKind) -> Bool {
    giveBack(pointer, kind) { $0.initializeMemory(as: UInt8.self, repeating: 0, count: kindOffset) }
  }

  /// The same with `clear` to write what a freed one reads as.
  static func giveBack(
    _ pointer: UnsafeMutableRawPointer, _ kind: CellKind, _ clear: (UnsafeMutableRawPointer) -> Void
  ) -> Bool {
    withShared {
      guard find(pointer) == .live(kind) else { return false }
      clear(pointer)
      csystem_poison(pointer, kindOffset)
      append(pointer)
      return true
    }
  }

  /// A number that no other variable of the process has: cells serve again.
  static func nextSerial() -> UInt64 {
    withShared {
      lastSerial += 1
      return lastSerial
    }
  }

  static func state(_ pointer: UnsafeRawPointer) -> State { withShared { find(pointer) } }

  static func isLive(_ pointer: UnsafeRawPointer, _ kind: CellKind) -> Bool { state(pointer) == .live(kind) }

  // MARK: Inside withShared

  private static func takeCell(_ kind: CellKind) -> UnsafeMutableRawPointer? {
    guard let cell = nextCell() else { return nil }
    cell.storeBytes(of: kind.rawValue, toByteOffset: kindOffset, as: UInt32.self)
    return cell
  }

  private static func nextCell() -> UnsafeMutableRawPointer? {
    if freeCount > quarantine, let first = freeFirst {
      freeFirst = (first + linkOffset).load(as: UnsafeMutableRawPointer?.self)
      freeCount -= 1
      return first
    }
    let size = region.map(size) ?? 0
    if region == nil || used + bytes > size {
      let larger = min(max(firstRegion, 2 * size), largestRegion)
      guard let next = csystem_map(larger, 0) else { return nil }
      csystem_add_root(next, larger)
      next.storeBytes(of: region, as: UnsafeMutableRawPointer?.self)
      next.storeBytes(of: larger, toByteOffset: 8, as: Int.self)
      region = next
      used = reserved
    }
    defer { used += bytes }
    return region.map { $0 + used }
  }

  private static func append(_ cell: UnsafeMutableRawPointer) {
    cell.storeBytes(of: CellKind.free.rawValue, toByteOffset: kindOffset, as: UInt32.self)
    cell.storeBytes(of: nil, toByteOffset: linkOffset, as: UnsafeMutableRawPointer?.self)
    if let last = freeLast, freeCount > 0 {
      last.storeBytes(of: cell, toByteOffset: linkOffset, as: UnsafeMutableRawPointer?.self)
    } else {
      freeFirst = cell
    }
    freeLast = cell
    freeCount += 1
  }

  private static func size(_ region: UnsafeMutableRawPointer) -> Int { region.load(fromByteOffset: 8, as: Int.self) }

  /// Looks a pointer up without reading what it points at, unless that is a cell.
  private static func find(_ pointer: UnsafeRawPointer) -> State {
    var next = region
    while let region = next {
      let distance = Int(bitPattern: pointer) - Int(bitPattern: region)
      if distance >= reserved, distance + bytes <= size(region) {
        guard (distance - reserved) % bytes == 0 else { return .foreign }
        let raw = pointer.load(fromByteOffset: kindOffset, as: UInt32.self)
        guard let kind = CellKind(rawValue: raw) else { return .foreign }
        return kind == .free ? .freed : .live(kind)
      }
      next = region.load(as: UnsafeMutableRawPointer?.self)
    }
    return .foreign
  }
}
