import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import AutogradText
import Testing

/// Small models of every kind of attention, with weights of ordinary size, so that attention is not nearly uniform.
private enum Kind: String, CaseIterable {
  case gpt2, llama, qwen3, mistral, nanochat

  func model(contextLength: Int = 60, vocabularySize: Int = 40) throws -> Decoder<Float> {
    let (family, heads, keyHeads, channels, headSize): (ModelFamily, Int, Int, Int, Int?) = switch self {
    case .gpt2: (.gpt2, 3, 3, 51, nil)
    case .llama: (.llama, 4, 2, 40, nil)
    case .qwen3: (.qwen3, 3, 1, 42, 18)
    case .mistral: (.mistral, 4, 2, 24, nil)
    case .nanochat: (.nanochat, 2, 2, 32, nil)
    }
    var sizes = try DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: contextLength, layerCount: 2, headCount: heads,
      channelCount: channels, keyValueHeadCount: keyHeads, headSize: headSize, family: family)
    if self == .mistral { sizes.window = .init(size: 17, layers: .from(0)) }
    let model = Decoder<Float>(sizes, seed: 7)
    for named in model.parameters where named.parameter.shape.count == 2 {
      named.parameter.set(named.parameter.array.map { $0 * 8 })
    }
    return model
  }
}

/// What a session is given to do, drawn from a seed.
private struct Draw {
  private var random: RandomStream

  init(_ seed: Int) { random = RandomStream(seed: UInt64(seed), purpose: .sampling) }

  mutating func below(_ count: Int) -> Int { min(count - 1, Int(random.uniform() * Double(count))) }
  mutating func one<Element>(of choices: [Element]) -> Element { choices[below(choices.count)] }
  mutating func tokens(_ count: Int, below vocabulary: Int) -> [Int32] {
    (0..<count).map { _ in Int32(below(vocabulary)) }
  }
}

/// The full pass over a text: one row of logits for each token.
private func fullLogits(_ model: Decoder<Float>, _ tape: Tape<Float>, _ text: [Int32]) -> [[Float]] {
  tape.step { tape in
    tape.inference {
      let logits = model.logits(tape.tokens(text.span, shape: [1, text.count]))
      return text.indices.map { logits.row($0) }
    }
  }
}

@Suite("Decoder session") struct DecoderSessionTests {
  init() { silenceCrashReports() }

  // MARK: The same bits

  @Test(
    "logits are those of the full pass, however texts are cut, fed together, cut off and copied",
    arguments: Kind.allCases.map(\.rawValue), [MatmulPrecision.float32, .bfloat16])
  func compositions(kind: String, precision: MatmulPrecision) throws {
    let kind = try #require(Kind(rawValue: kind)), model = try kind.model()
    let mode = precision == .bfloat16 ? ProductMode.bfloat16 : .exact
    for seed in 0..<20 { try check(model, mode, seed: seed, steps: 12) }
  }

  @Test(
    "so they are where weights are stored, in every mode of products",
    arguments: [GenerationWeights.float32, .bfloat16, .q8_0, .q4_0, .q4_1], ProductMode.allCases)
  func storedCompositions(form: GenerationWeights, mode: ProductMode) throws {
    let sizes = try DecoderConfiguration(
      vocabularySize: 40, contextLength: 60, layerCount: 2, headCount: 4, channelCount: 64, keyValueHeadCount: 2,
      feedForwardWidth: 96, family: .llama)
    let plain = Decoder<Float>(sizes, seed: 7), tokenizer = try CharacterTokenizer(training: Array("abcdefg".utf8))
    for named in plain.parameters where named.parameter.shape.count == 2 {
      named.parameter.set(named.parameter.array.map { $0 * 8 })
    }
    try temporaryDirectory { path in
      try ModelDirectory(path).save(plain, tokenizer: tokenizer)
      let model = try openModel(path).loadModel(weights: form)
      #expect(model.tensors.contains { $0.parameter.storedWeight?.format.name == form.rawValue })
      // Panels are those of one set of instructions.
      for seed in 0..<14 { try check(model, mode, seed: seed, steps: 12, sets: [.preferred]) }
    }
  }

  /// A random program; afterwards and on the way each text's logits are those of the full pass.
  private func check(
    _ model: Decoder<Float>, _ mode: ProductMode, seed: Int, steps: Int, cacheType: CacheType? = nil,
    sets: [InstructionSet] = InstructionSet.available, expected: ((Int, [Int32], Int, [Float]) -> Void)? = nil
  ) throws {
    var draw = Draw(seed)
    let backend = Backend(
      instructionSet: draw.one(of: sets), pool: ThreadPool(threads: draw.one(of: [1, 2, 3])))
    let tape = Tape<Float>(backend: backend), reference = Tape<Float>(
      backend: Backend(instructionSet: backend.instructionSet, pool: singleThread))
    (tape.productMode, reference.productMode) = (mode, mode)
    let vocabulary = model.configuration.vocabularySize, most = model.configuration.contextLength
    let session = try DecoderSession(
      model, sequences: 1 + draw.below(4), contextSize: most - draw.below(2), cacheType: cacheType,
      chunk: draw.one(of: [1, 2, 5, 16, 31, 64]), tape: tape)
    var texts = [[Int32]](repeating: [], count: session.sequenceCount)
    for step in 0..<steps {
      switch draw.below(8) {
      case 0:
        let text = draw.below(texts.count), length = draw.below(texts[text].count + 1)
        session.truncate(text, to: length)
        texts[text] = Array(texts[text].prefix(length))
      case 1:
        let from = draw.below(texts.count), to = draw.below(texts.count), count = draw.below(texts[from].count + 1)
        session.copyPrefix(of: from, to: to, count: count)
        texts[to] = Array(texts[from].prefix(count))
      default:
        var feeds: [DecoderSession<Float>.Feed] = [], wanted: [(text: Int, row: Int)] = []
        for text in texts.indices where draw.below(3) > 0 {
          let room = session.contextSize - texts[text].count
          guard room > 0 else { continue }
          let count = draw.below(2) == 0 ? 1 : 1 + draw.below(min(room, 40))
          let tokens = draw.tokens(count, below: vocabulary), rows = draw.one(of: [LogitRows.none, .last, .all])
          // A slice of something longer: indices need not begin at 0.
          feeds.append(.init(sequence: text, tokens: ([0, 0] + tokens)[2...], logits: rows))
          let before = texts[text].count
          texts[text] += tokens
          switch rows {
          case .none: break
          case .last: wanted.append((text, before + count - 1))
          case .all: wanted += (before..<before + count).map { (text, $0) }
          }
        }
        let logits = try session.advance(feeds)
        #expect(logits.count == wanted.count)
        var full: [Int: [[Float]]] = [:]
        for (row, place) in zip(logits, wanted) {
          if let expected { expected(step, texts[place.text], place.row, row) } else {
            if full[place.text] == nil { full[place.text] = fullLogits(model, reference, texts[place.text]) }
            #expect(
              row == full[place.text]![place.row],
              "seed \(seed), step \(step), \(backend.instructionSet), text \(place.text), token \(place.row)")
          }
        }
      }
      for text in texts.indices { #expect(session.length(of: text) == texts[text].count) }
    }
    #expect(tape.statistics.peak <= session.plan.arenaBytes && backend.workspaceBytes == session.plan.workspaceBytes)
  }

  @Test("keys and values kept as bfloat16 give logits that depend on the text alone", arguments: Kind.allCases.map(\.rawValue))
  func halves(kind: String) throws {
    let kind = try #require(Kind(rawValue: kind)), model = try kind.model()
    for seed in 0..<6 {
      try check(model, .exact, seed: seed, steps: 10, cacheType: .bf16) { _, text, row, logits in
        // Token by token on one thread, of the same instruction set.
        var draw = Draw(seed)
        let backend = Backend(instructionSet: draw.one(of: InstructionSet.available), pool: singleThread)
        guard let alone = try? DecoderSession(model, cacheType: .bf16, chunk: 3, tape: Tape(backend: backend)),
          let rows = try? alone.advance([.init(tokens: text[...row])])
        else { return #expect(Bool(false)) }
        #expect(rows[0] == logits, "seed \(seed), token \(row)")
        let exact = fullLogits(model, Tape(backend: backend), text)[row]
        let largest = exact.reduce(0) { max($0, abs($1)) }
        #expect(zip(logits, exact).allSatisfy { abs($0 - $1) <= 0.1 * max(1, largest) })
        #expect(logits != exact || row == 0)
      }
    }
  }

  @Test("in Double logits are those of the full pass, too")
  func double() throws {
    let sizes = try DecoderConfiguration(
      vocabularySize: 20, contextLength: 24, layerCount: 2, headCount: 3, channelCount: 15)
    let model = Decoder<Double>(sizes, seed: 2), text: [Int32] = (0..<24).map { $0 * 7 % 20 }
    let session = try DecoderSession(model, chunk: 5), tape = Tape<Double>()
    let whole = tape.step { tape in
      tape.inference {
        let logits = model.logits(tape.tokens(text.span, shape: [1, 24]))
        return text.indices.map { logits.row($0) }
      }
    }
    let first = try session.advance([.init(tokens: text[..<11], logits: .all)])
    #expect(first + (try session.advance([.init(tokens: text[11...], logits: .all)])) == whole)
    #expect(throws: LanguageModelError.self) { try DecoderSession(model, cacheType: .bf16) }
  }

  // MARK: Memory

  @Test("a plan is what a session takes, to the byte", arguments: [1, 2, 3])
  func plan(threads: Int) throws {
    for (kind, chunk) in [(Kind.gpt2, 16), (.qwen3, 60), (.llama, 1)] {
      for precision in MatmulPrecision.allCases {
        let model = try kind.model(), backend = Backend(pool: ThreadPool(threads: threads)), tape = Tape<Float>(backend: backend)
        tape.matmulPrecision = precision
        let plan = try DecoderSession.plan(model, sequences: 2, contextSize: 50, chunk: chunk, tape: tape)
        let session = try DecoderSession(model, sequences: 2, contextSize: 50, chunk: chunk, tape: tape)
        #expect(session.plan == plan && backend.workspaceBytes == plan.workspaceBytes)
        #expect(tape.statistics.reserved >= plan.arenaBytes && tape.statistics.reserved < plan.arenaBytes + 4096)
        let text = [Int32](repeating: 3, count: 50)
        for count in [50, 1, 17] {
          for sequence in 0..<2 { session.truncate(sequence, to: 0) }
          _ = try session.advance((0..<2).map { .init(sequence: $0, tokens: text[..<count], logits: .all) })
        }
        #expect(tape.statistics.peak == plan.arenaBytes, "\(kind), chunk \(chunk)")
        #expect(backend.workspaceBytes == plan.workspaceBytes && tape.statistics.chunks == 1)
      }
    }
  }

  @Test("a cache takes what its formula says")
  func cacheBytes() throws {
    let tape = Tape<Float>(backend: Backend(instructionSet: .baseline))
    // Panels of 8 columns.
    let sizes = CacheSizes(layerCount: 3, sequenceCount: 2, capacity: 13, keyValueHeadCount: 5, headSize: 9)
    #expect(KeyValueCache.byteCount(sizes, tape: tape) == 3 * 2 * 5 * 16 * (9 + 16) * 4)
    #expect(KeyValueCache.byteCount(sizes, type: .bf16, tape: tape) == 3 * 2 * 5 * 16 * (9 + 16) * 2)
    #expect(KeyValueCache(sizes, tape: tape).byteCount == 3 * 2 * 5 * 16 * (9 + 16) * 4)
  }

  @Test("ten thousand tokens take no more memory than the first hundred")
  func steady() throws {
    let model = try Kind.llama.model(), generator = Generator(model: model, sampler: Sampler())
    var first = 0, count = 0, most = 0
    try generator.generate(after: [1, 2, 3], count: 10_000) { _ in
      count += 1
      if count == 100 { first = ProcessMemory.current()?.resident ?? 0 }
      if count % 500 == 0 { most = max(most, ProcessMemory.current()?.resident ?? 0) }
      return true
    }
    #expect(count == 10_000 && first > 0)
    // Other tests may run beside this one: what a leak of one window's keys and values per token would be is far more.
    #expect(most - first < 64 << 20)
  }

  // MARK: What cannot be

  private func problem(_ body: () throws -> Void) -> SessionError? {
    do {
      try body()
      return nil
    } catch LanguageModelError.session(let error) {
      return error
    } catch {
      return nil
    }
  }

  @Test("what a session cannot do is an error, and nothing was fed then")
  func errors() throws {
    let model = try Kind.gpt2.model(), session = try DecoderSession(model, sequences: 2, contextSize: 10)
    func feed(_ feeds: DecoderSession<Float>.Feed...) -> SessionError? { problem { _ = try session.advance(feeds) } }
    let three: [Int32] = [1, 2, 3]
    #expect(feed(.init(sequence: 2, tokens: three[...])) == .unknownSequence(2, count: 2))
    #expect(feed(.init(sequence: -1, tokens: three[...])) == .unknownSequence(-1, count: 2))
    #expect(feed(.init(tokens: three[...]), .init(tokens: three[...])) == .fedTwice(0))
    #expect(feed(.init(tokens: three[..<0])) == .noTokens(sequence: 0))
    #expect(
      feed(.init(sequence: 1, tokens: three[...]), .init(tokens: [1, 40])) == .tokenOutside(40, sequence: 0, vocabularySize: 40))
    #expect(session.length(of: 1) == 0)
    #expect(feed(.init(tokens: three[...])) == nil)
    let eight = [Int32](repeating: 1, count: 8)
    #expect(feed(.init(tokens: eight[...])) == .full(sequence: 0, length: 3, count: 8, contextSize: 10))
    #expect(feed(.init(tokens: eight[..<7])) == nil && session.length(of: 0) == 10)

    func make(
      _ sequences: Int = 1, _ context: Int? = nil, type: CacheType? = nil, chunk: Int = 8, bf16: Bool = false
    ) -> SessionError? {
      let tape = Tape<Float>()
      if bf16 { tape.matmulPrecision = .bfloat16 }
      return problem {
        _ = try DecoderSession(model, sequences: sequences, contextSize: context, cacheType: type, chunk: chunk, tape: tape)
      }
    }
    #expect(make(1, 61) == .context(asked: 61, most: 60) && make(1, 0) == .context(asked: 0, most: 60))
    #expect(make(0) == .sequences(0) && make(1 << 20) == .sequences(1 << 20) && make(chunk: 0) == .chunk(0))
    if Backend().multipliesPairs {
      guard case .cacheType(.f32, _) = make(type: .f32, bf16: true) else {
        Issue.record("f32 beside pairs")
        return
      }
      #expect(make(type: .bf16, bf16: true) == nil)
    }
    // Half a terabyte.
    let long = try Kind.gpt2.model(contextLength: 4096)
    guard case .memory(let needed, let limit, let largest) = problem({ _ = try DecoderSession(long, sequences: 1 << 16, contextSize: 4096) })
    else {
      Issue.record("a cache larger than this memory")
      return
    }
    #expect(needed > limit.remaining && largest ?? 0 < 4096)
  }

  @Test("without a size the context is the model's, or what memory holds")
  func defaultContext() throws {
    #expect(try DecoderSession(try Kind.gpt2.model()).contextSize == 60)
    // 2^24 positions of 2 layers, 2 heads of 10 columns: 10 GB and more.
    let sizes = try DecoderConfiguration(
      vocabularySize: 8, contextLength: 1 << 24, layerCount: 30, headCount: 8, channelCount: 512, family: .llama)
    let plan = try DecoderSession.plan(Decoder<Float>(sizes), contextSize: 1 << 24)
    guard let free = MemoryLimit.all().first?.remaining, plan.newBytes > free else { return }
    #expect(throws: LanguageModelError.self) { try DecoderSession(Decoder<Float>(sizes), contextSize: 1 << 24) }
  }
}
