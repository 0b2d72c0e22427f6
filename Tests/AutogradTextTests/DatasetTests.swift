import AutogradBase
import Foundation
import Testing
import AutogradText

/// All tokens of a source.
func contents(_ source: any TokenSource) throws -> [Int32] {
  var tokens = [Int32](repeating: -1, count: source.count), span = tokens.mutableSpan
  try source.read(0..<source.count, into: &span, at: 0)
  return tokens
}

@Suite("TokenDataset")
struct TokenDatasetTests {
  @Test(
    "splits as nanoGPT does", arguments: [(0, 0), (1, 0), (9, 8), (10, 9), (11, 9), (1_115_394, 1_003_854)])
  func split(count: Int, trainingCount: Int) throws {
    let tokens = (0..<Int32(count)).map { $0 }
    let dataset = try TokenDataset(tokens: tokens)
    #expect(dataset.training.count == trainingCount)
    #expect(try contents(dataset.training) + contents(dataset.validation) == tokens)
    #expect(try contents(dataset[.training]) == contents(dataset.training))
    #expect(try contents(dataset[.validation]) == contents(dataset.validation))
  }

  @Test("the fraction may be 0, and must be below 1")
  func fractions() throws {
    #expect(try contents(TokenDataset(tokens: [1, 2], validationFraction: 0).training) == [1, 2])
    #expect(try contents(TokenDataset(tokens: [1, 2], validationFraction: 0.5).validation) == [2])
    for fraction in [1, -0.1, .infinity, 2] {
      #expect(throws: TextError.invalidValidationFraction(fraction)) {
        try TokenDataset(tokens: [1, 2], validationFraction: fraction)
      }
    }
    #expect(throws: TextError.self) { try TokenDataset(tokens: [1, 2], validationFraction: .nan) }
  }

  @Test("a part shorter than a window is an error with a sentence")
  func tooShort() throws {
    let dataset = try TokenDataset(tokens: [Int32](repeating: 0, count: 90))  // 81 and 9
    #expect(throws: Never.self) { try dataset.requireWindows(blockSize: 8) }
    #expect(throws: TextError.tooShort(
      part: .validation, tokenCount: 9, blockSize: 9,
      advice: "give more text, or a block size of at most 8, or a validation fraction of 0.11")) {
      try dataset.requireWindows(blockSize: 9)
    }
    #expect(throws: Never.self) { try dataset.requireWindows(blockSize: 80, in: [.training]) }
    #expect(throws: TextError.tooShort(
      part: .training, tokenCount: 81, blockSize: 81, advice: "give more text, or a block size of at most 8")) {
      try dataset.requireWindows(blockSize: 81)
    }
    let error = #expect(throws: TextError.self) { try dataset.requireWindows(blockSize: 40) }
    #expect(
      error?.description == "the validation part has 9 tokens, but one window of block size 40 takes 40 + 1; "
        + "give more text, or a block size of at most 8, or a validation fraction of 0.45")
  }

  @Test("whatever is advised works, and nothing is advised that does not", arguments: 0...60, [1, 3, 8, 29])
  func advice(count: Int, blockSize: Int) throws {
    let tokens = [Int32](repeating: 0, count: count)
    let advice: String
    do throws(TextError) {
      return try TokenDataset(tokens: tokens).requireWindows(blockSize: blockSize)
    } catch {
      guard case .tooShort(_, _, _, let said) = error else { throw error }
      advice = said
    }
    var ways = advice.components(separatedBy: ", or ")
    #expect(ways.removeFirst() == "give more text")
    for way in ways {
      let number = try #require(way.split(separator: " ").last)
      if way.hasPrefix("a block size of at most ") {
        try TokenDataset(tokens: tokens).requireWindows(blockSize: try #require(Int(number)))
      } else {
        try #require(way.hasPrefix("a validation fraction of "))
        let fraction = try #require(Double(number))
        try TokenDataset(tokens: tokens, validationFraction: fraction).requireWindows(blockSize: blockSize)
      }
    }
    // From 11 tokens on, a tenth is a window of one token and its target.
    #expect(ways.contains { $0.hasPrefix("a block size") } == (count >= 11))
  }
}

@Suite("WindowSampler")
struct WindowSamplerTests {
  private func batch(
    _ sampler: WindowSampler, _ number: UInt64
  ) -> (inputs: [Int32], targets: [Int32]) {
    do {
      let batch = try sampler.batch(number)
      return (batch.inputs, batch.targets)
    } catch {
      Issue.record(error)
      return ([], [])
    }
  }

  @Test("windows are runs of the tokens, targets the tokens after them")
  func windows() {
    let tokens = (0..<100).map { Int32($0 * 3) }
    let sampler = WindowSampler(tokens: tokens, blockSize: 7, batchSize: 50, seed: 1, purpose: .dataOrder)
    let (inputs, targets) = batch(sampler, 3)
    for row in 0..<50 {
      let start = Int(inputs[row * 7]) / 3
      #expect(Array(inputs[row * 7..<row * 7 + 7]) == Array(tokens[start..<start + 7]))
      #expect(Array(targets[row * 7..<row * 7 + 7]) == Array(tokens[start + 1..<start + 8]))
    }
  }

  @Test("same batch, same windows; another seed, purpose or batch, others")
  func keys() {
    let tokens = (0..<1000).map { Int32($0) }
    func sampler(seed: UInt64 = 1, _ purpose: RandomPurpose = .dataOrder) -> WindowSampler {
      WindowSampler(tokens: tokens, blockSize: 4, batchSize: 8, seed: seed, purpose: purpose)
    }
    let reference = batch(sampler(), 5).inputs
    #expect(batch(sampler(), 5).inputs == reference)
    #expect(batch(sampler(), 6).inputs != reference)
    #expect(batch(sampler(seed: 2), 5).inputs != reference)
    #expect(batch(sampler(.evaluation), 5).inputs != reference)
  }

  @Test("an epoch sees every window once; the next one cuts and orders anew", arguments: [10, 57, 1000])
  func epochs(count: Int) {
    let tokens = (0..<count).map { Int32($0) }
    let sampler = WindowSampler(tokens: tokens, blockSize: 4, batchSize: 1, seed: 3, purpose: .dataOrder)
    let perEpoch = sampler.windowsPerEpoch
    #expect(perEpoch == max(1, (count - 4) / 4))
    var orders: [[Int32]] = []
    for epoch in 0..<4 {
      let starts = (0..<perEpoch).map { batch(sampler, UInt64(epoch * perEpoch + $0)).inputs[0] }
      let sorted = starts.sorted()
      for (a, b) in zip(sorted, sorted.dropFirst()) { #expect(b - a == 4) }
      orders.append(starts)
    }
    if count == 1000 { #expect(Set(orders).count == 4) }
  }

  @Test("every start is drawn, the first and the last too, equally often")
  func uniform() {
    let tokens = (0..<12).map { Int32($0) }
    let sampler = WindowSampler(tokens: tokens, blockSize: 4, batchSize: 8000, seed: 1, purpose: .dataOrder)
    let inputs = batch(sampler, 0).inputs
    var counts = [Int](repeating: 0, count: 8)
    for row in 0..<8000 { counts[Int(inputs[row * 4])] += 1 }
    #expect(counts.allSatisfy { abs($0 - 1000) < 150 })
  }

  @Test("exactly one window is enough")
  func oneWindow() {
    let sampler = WindowSampler(tokens: [5, 6, 7], blockSize: 2, batchSize: 3, seed: 1, purpose: .dataOrder)
    #expect(batch(sampler, 0) == ([5, 6, 5, 6, 5, 6], [6, 7, 6, 7, 6, 7]))
  }

  @Test("too few tokens stop with a sentence")
  func tooFew() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = WindowSampler(tokens: [5, 6], blockSize: 2, batchSize: 3, seed: 1, purpose: .dataOrder)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("cannot draw 3 windows of 2 + 1 from 2 tokens"))
  }
}

@Suite("loadText")
struct LoadTextTests {
  /// A file system with one file.
  private struct OneFile: FileSystem {
    let bytes: [UInt8]
    func read(_ path: String, byteLimit: Int) throws(FileError) -> [UInt8] {
      guard bytes.count <= byteLimit else {
        throw .tooLarge(path: path, byteCount: bytes.count, byteLimit: byteLimit)
      }
      return bytes
    }
    func create(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {}
    func sync(_ path: String) throws(FileError) {}
    func rename(_ source: String, to destination: String) throws(FileError) {}
    func makeDirectory(_ path: String) throws(FileError) {}
    func exists(_ path: String) -> Bool { true }
    func isDirectory(_ path: String) -> Bool { false }
    func list(_ path: String) throws(FileError) -> [String] { [] }
    func remove(_ path: String) throws(FileError) {}
    func openForAppending(_ path: String) throws(FileError) -> AppendFile {
      throw .permissionDenied(.append, path: path)
    }
  }

  @Test("gives the bytes as they are, but for a byte order mark at the beginning")
  func loading() throws {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    for text in sampleTexts {
      let content = bytes(text), expected = content.starts(with: mark) ? Array(content[3...]) : content
      #expect(try loadText(path: "t.txt", fileSystem: OneFile(bytes: content)) == expected)
      #expect(try loadText(path: "t.txt", fileSystem: OneFile(bytes: mark + content)) == content)
      #expect(try loadText(path: "t.txt", fileSystem: OneFile(bytes: [97] + mark + content)) == [97] + mark + content)
    }
    #expect(throws: TextError.emptyFile(path: "t.txt")) {
      try loadText(path: "t.txt", fileSystem: OneFile(bytes: mark))
    }
    #expect(throws: TextError.invalidUTF8(path: "t.txt", byteOffset: 4)) {
      try loadText(path: "t.txt", fileSystem: OneFile(bytes: mark + [97, 0xC3]))
    }
  }

  @Test("each error names the file")
  func errors() {
    let disk = POSIXFileSystem()
    let cases: [(TextError, () throws -> [UInt8])] = [
      (.emptyFile(path: "t.txt"), { try loadText(path: "t.txt", fileSystem: OneFile(bytes: [])) }),
      (
        .invalidUTF8(path: "t.txt", byteOffset: 3),
        { try loadText(path: "t.txt", fileSystem: OneFile(bytes: bytes("abc") + [0xC3])) }
      ),
      (
        .file(.tooLarge(path: "t.txt", byteCount: 3, byteLimit: 2)),
        { try loadText(path: "t.txt", fileSystem: OneFile(bytes: [1, 2, 3]), byteLimit: 2) }
      ),
      (.file(.isDirectory(.read, path: "/tmp")), { try loadText(path: "/tmp", fileSystem: disk) }),
      (.file(.notRegular(.read, path: "/dev/null")), { try loadText(path: "/dev/null", fileSystem: disk) }),
      (.file(.notFound(.read, path: "/no/t.txt")), { try loadText(path: "/no/t.txt", fileSystem: disk) }),
    ]
    for (error, load) in cases {
      #expect(throws: error) { try load() }
      #expect(["t.txt", "/tmp", "/dev/null"].contains { error.description.contains($0) })
    }
  }
}
