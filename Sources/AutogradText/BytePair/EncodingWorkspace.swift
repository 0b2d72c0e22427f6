import AutogradBase
import Synchronization

/// What one thread needs while it encodes: the cache of pre-tokens, the merger and room for ids.
@safe struct EncodingWorkspace: ~Copyable {
  private var cache = PretokenCache()
  private var merger = Merger()
  // INVARIANT: `out` has room for `capacity` ids, of which `count` are set; they are moved to `tokens` in blocks.
  private let out: UnsafeMutablePointer<Int32>
  private var count = 0
  private static let capacity = 4096
  // INVARIANT: `pending` has room for `batch` keys.
  private let pending: UnsafeMutablePointer<PretokenCache.Key>
  private static let batch = 64
  private var tokens: [Int32] = []

  init() {
    unsafe out = .allocate(capacity: EncodingWorkspace.capacity)
    unsafe pending = .allocate(capacity: EncodingWorkspace.batch)
  }

  deinit {
    unsafe out.deallocate()
    unsafe pending.deallocate()
  }

  /// Adds the ids of a text, or of a part of one.
  ///
  /// - Parameter isFirst: Whether the text begins with it.
  mutating func encode(
    _ text: TextView, _ model: BytePairModel, isFirst: Bool, _ treatment: SpecialTokenTreatment,
    into result: inout [Int32]
  ) {
    swap(&result, &tokens)
    encodeRaw(text, model, isFirst: isFirst, treatment)
    flush()
    swap(&result, &tokens)
  }

  // MARK: Parts

  private mutating func encodeRaw(
    _ text: TextView, _ model: BytePairModel, isFirst: Bool, _ treatment: SpecialTokenTreatment
  ) {
    guard model.rawTokens.isNeeded(treatment) else {
      return encodeBetween(text, model, isBeginning: isFirst, isFirst: isFirst, treatment)
    }
    for part in model.rawTokens.parts(of: text, treatment) {
      switch part {
      case .token(let id): append(id)
      case .text(let range):
        encodeBetween(
          text.extracting(range), model, isBeginning: isFirst || range.lowerBound > 0,
          isFirst: isFirst && range.lowerBound == 0, treatment)
      }
    }
  }

  /// - Parameter isBeginning: Whether the text, or an added token before it, begins it.
  private mutating func encodeBetween(
    _ text: TextView, _ model: BytePairModel, isBeginning: Bool, isFirst: Bool, _ treatment: SpecialTokenTreatment
  ) {
    guard let bytes = model.description.normalizer.normalized(text, isBeginning: isBeginning) else {
      return encodeNormalized(text, model, isBeginning: isBeginning, isFirst: isFirst, treatment)
    }
    unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe encodeNormalized(
        TextView(bytes, text.classes), model, isBeginning: isBeginning, isFirst: isFirst, treatment)
    }
  }

  private mutating func encodeNormalized(
    _ text: TextView, _ model: BytePairModel, isBeginning: Bool, isFirst: Bool, _ treatment: SpecialTokenTreatment
  ) {
    guard model.normalizedTokens.isNeeded(treatment) else {
      return encodePlain(text, model, isBeginning: isBeginning, isFirst: isFirst)
    }
    for part in model.normalizedTokens.parts(of: text, treatment) {
      switch part {
      case .token(let id): append(id)
      case .text(let range):
        encodePlain(
          text.extracting(range), model, isBeginning: isBeginning || range.lowerBound > 0,
          isFirst: isFirst && range.lowerBound == 0)
      }
    }
  }

  /// Cuts a text without added tokens into pre-tokens and adds their ids.
  private mutating func encodePlain(_ text: TextView, _ model: BytePairModel, isBeginning: Bool, isFirst: Bool) {
    let kind = model.description.preTokenizer
    guard let bytes = kind.prefixed(text, isBeginning: isBeginning, isFirst: isFirst) else { return cut(text, model) }
    unsafe bytes.withUnsafeBufferPointer { unsafe cut(TextView($0, text.classes), model) }
  }

  private mutating func cut(_ text: TextView, _ model: BytePairModel) {
    let kind = model.description.preTokenizer
    switch kind.scanner {
    case .gpt2: cut(text, GPT2Scanner(splitsDigits: false), model)
    case .smollm: cut(text, GPT2Scanner(splitsDigits: true), model)
    case .cl100k: cut(text, CL100KScanner(longestNumber: 3, keepsLastSpaces: true), model)
    case .llama3: cut(text, CL100KScanner(longestNumber: 3, keepsLastSpaces: false), model)
    case .qwen2: cut(text, CL100KScanner(longestNumber: 1, keepsLastSpaces: false), model)
    case .o200k: cut(text, O200KScanner(), model)
    case .metaspace where kind.splits:
      cut(text, SpaceMarkScanner(mayCut: [Bool](repeating: true, count: 256)), model)
    case .none, .metaspace: cut(text, SpaceMarkScanner(mayCut: model.mayCutBeforeMark), model)
    }
  }

  /// Pre-tokens are looked up some at a time: first all their entries are touched, so that memory answers many at once, which
  /// would otherwise be waited for one after another.
  @inline(__always) private mutating func cut(_ text: TextView, _ scanner: some PreTokenScanner, _ model: BytePairModel) {
    var start = 0
    while start < text.count {
      var count = 0
      while count < EncodingWorkspace.batch, start < text.count {
        let end = scanner.end(in: text, from: start)
        unsafe pending[count] = PretokenCache.Key(text, start, end)
        count += 1
        start = end
      }
      for index in 0..<count { unsafe cache.touch(pending[index]) }
      var place = start
      for index in 0..<count { unsafe place -= pending[index].length }
      for index in 0..<count {
        let key = unsafe pending[index]
        add(text, place, key, model)
        place += key.length
      }
    }
  }

  // MARK: Pre-tokens

  @inline(__always) private mutating func add(
    _ text: TextView, _ start: Int, _ key: PretokenCache.Key, _ model: BytePairModel
  ) {
    if count > EncodingWorkspace.capacity - PretokenCache.longestLong { flush() }
    let found = unsafe cache.find(key, out + count)
    count += found
    if found == 0 { addNew(text, start, key, model) }
  }

  /// Adds a pre-token that has no short entry.
  @inline(never) private mutating func addNew(
    _ text: TextView, _ start: Int, _ key: PretokenCache.Key, _ model: BytePairModel
  ) {
    let end = start + key.length
    unsafe text.withBytes(start..<end) { bytes in
      let isKept = bytes.count <= PretokenCache.longestLong, hash = isKept ? unsafe ByteHash.word(bytes) : 0
      if isKept, let found = unsafe cache.find(bytes, hash, out + count) {
        count += found
        return
      }
      if model.description.ignoresMerges, let id = unsafe model.index.id(of: bytes), !model.special.contains(id) {
        merger.reset(capacity: 1)
        merger.append(id)
      } else {
        split(text, start, end, model)
        merger.merge(model.merges)
      }
      let tokens = unsafe UnsafeBufferPointer(start: merger.ids, count: merger.count)
      for unsafe id in unsafe tokens { append(id) }
      if tokens.isEmpty { return }
      if key.isShort, tokens.count <= PretokenCache.shortCount {
        unsafe cache.insert(key, tokens)
      } else if isKept {
        unsafe cache.insert(bytes, hash, tokens)
      }
    }
  }

  /// Gives the merger the tokens that a pre-token begins with. What has none is left out, as tokenizers does it.
  private mutating func split(_ text: TextView, _ start: Int, _ end: Int, _ model: BytePairModel) {
    merger.reset(capacity: end - start)
    switch model.description.coding {
    case .byteLevel(let unknown):
      for index in start..<end {
        let id = model.byteTokens[Int(text[index])]
        if id >= 0 {
          merger.append(id)
        } else if let unknown {
          merger.append(unknown)
        }
      }
    case .byteFallback(let bytes, let unknown, let fuses):
      splitCharacters(text, start, end, model, unknown, fuses && unknown != nil, hasBytes: !bytes.isEmpty)
    }
  }

  private mutating func splitCharacters(
    _ text: TextView, _ start: Int, _ end: Int, _ model: BytePairModel, _ unknown: Int32?, _ fuses: Bool, hasBytes: Bool
  ) {
    var index = start, isUnknown = false
    while index < end {
      let scalar = text.scalar(at: index), length = scalar?.length ?? 1
      let id = scalar.flatMap { model.characters?[$0.value] } ?? -1
      defer { index += length }
      if id >= 0 {
        merger.append(id)
        isUnknown = false
      } else if hasBytes {
        for place in index..<index + length { merger.append(model.byteTokens[Int(text[place])]) }
        isUnknown = false
      } else if let unknown {
        if !(fuses && isUnknown) { merger.append(unknown) }
        isUnknown = true
      }
    }
  }

  // MARK: Ids

  @inline(__always) private mutating func append(_ id: Int32) {
    if count == EncodingWorkspace.capacity { flush() }
    unsafe out[count] = id
    count += 1
  }

  @inline(never) private mutating func flush() {
    unsafe tokens.append(contentsOf: UnsafeBufferPointer(start: out, count: count))
    count = 0
  }
}

/// Workspaces that nobody uses at the moment: as many as threads ever encoded at once.
final class WorkspacePool: Sendable {
  // INVARIANT: who holds one has taken it out of the pool, so that it has one user at a time.
  private final class Holder: @unchecked Sendable { var workspace = EncodingWorkspace() }

  private let free = Mutex<[Holder]>([])

  func encode(
    _ text: Span<UInt8>, _ model: BytePairModel, isFirst: Bool, _ treatment: SpecialTokenTreatment,
    into tokens: inout [Int32]
  ) {
    let holder = free.withLock { $0.popLast() } ?? Holder()
    defer { free.withLock { $0.append(holder) } }
    // INVARIANT: the view ends with the call that has the bytes.
    unsafe text.withUnsafeBufferPointer { bytes in
      unsafe holder.workspace.encode(
        TextView(bytes, model.classes), model, isFirst: isFirst, treatment, into: &tokens)
    }
  }
}
