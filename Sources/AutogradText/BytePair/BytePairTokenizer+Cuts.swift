import AutogradBase

extension BytePairTokenizer {
  /// Whether long texts can be cut: not where an added token could stand across, or take white space with it.
  public var cutsTexts: Bool { model.cutsTexts }

  /// Between a line end and a letter or digit, or before spaces: see `PreTokenizer.firstCut` and `TokenTable`.
  public func firstCut(in text: Span<UInt8>, from start: Int) -> Int? {
    guard cutsTexts else { return nil }
    let kind = model.description.preTokenizer
    return kind.cutsLines
      ? kind.firstCut(in: text, from: start)
      : firstSpace(in: text, from: start) { model.mayCutBeforeSpace($0) }
  }
}

extension PreTokenizer {
  /// Whether its expression allows cuts at line ends.
  var cutsLines: Bool { scanner != .none && scanner != .metaspace }

  /// The first place at `start` or behind it where a text may be cut, and have the same pre-tokens; nil where there is none.
  ///
  /// That is between a line feed, which follows what is no white space, and a letter or a digit: no expression matches across
  /// it, or sees beyond it. `metaspace` that splits is cut before a space that follows none; `none` nowhere.
  public func firstCut(in text: Span<UInt8>, from start: Int) -> Int? {
    guard cutsLines else { return scanner == .metaspace && splits ? firstSpace(in: text, from: start) { _ in true } : nil }
    // INVARIANT: the view ends with the call that has the bytes.
    return unsafe text.withUnsafeBufferPointer { unsafe TextView($0, classes).firstLineCut(from: start) }
  }
}

/// The first space at `start` or behind it that follows another byte, and one that is allowed.
private func firstSpace(in text: Span<UInt8>, from start: Int, after isAllowed: (UInt8) -> Bool) -> Int? {
  let space = UInt8(ascii: " ")
  return (max(1, start)..<max(1, start, text.count)).first {
    text[$0] == space && text[$0 - 1] != space && isAllowed(text[$0 - 1])
  }
}

extension TextView {
  fileprivate func firstLineCut(from start: Int) -> Int? {
    let digitOrLetter = CharacterClasses.letter | CharacterClasses.number
    for index in max(2, start)..<max(2, start, count) where self[index - 1] == 10 {
      let before = characterStart(before: index - 1)
      if character(at: before).flags & CharacterClasses.space == 0, character(at: index).flags & digitOrLetter != 0 {
        return index
      }
    }
    return nil
  }
}

extension BytePairModel {
  var cutsTexts: Bool {
    let isHarmless = description.addedTokens.allSatisfy { token in
      let stripsOrJoins = token.lstrip || token.rstrip || token.content.utf8.contains { " \n".utf8.contains($0) }
      return !stripsOrJoins || token.isSpecial && !description.addedTokens.contains { !$0.isSpecial }
    }
    guard isHarmless else { return false }
    let marksSpaces = TextNormalizer.Step.replace(" ", with: "▁")
    let steps = description.normalizer.steps.filter { step in
      switch step {
      case .nfc, .prepend: false
      case .replace: true
      }
    }
    if description.preTokenizer.cutsLines { return steps.isEmpty }
    let marks = description.preTokenizer.scanner == .metaspace ? steps.isEmpty : steps == [marksSpaces]
    return marks && (0..<256).contains { mayCutBeforeSpace(UInt8($0)) }
  }

  func mayCutBeforeSpace(_ byte: UInt8) -> Bool {
    let preTokenizer = description.preTokenizer
    return preTokenizer.scanner == .metaspace && preTokenizer.splits || mayCutBeforeMark[Int(byte)]
  }
}

extension PreTokenizer {
  /// Calls `body` with the pre-tokens of a text, in order: `▁` is not put for spaces, and nothing is normalised or looked for.
  ///
  /// `none` gives the whole text, and `metaspace` what is between one `▁` and the next where it splits.
  ///
  /// - Complexity: O(bytes), a few nanoseconds each.
  public func forEachPreToken(in text: Span<UInt8>, _ body: (Range<Int>) -> Void) {
    // INVARIANT: the view ends with the call that has the bytes.
    unsafe text.withUnsafeBufferPointer { bytes in
      let text = unsafe TextView(bytes, classes)
      switch scanner {
      case .gpt2: cut(text, GPT2Scanner(splitsDigits: false), body)
      case .smollm: cut(text, GPT2Scanner(splitsDigits: true), body)
      case .cl100k: cut(text, CL100KScanner(longestNumber: 3, keepsLastSpaces: true), body)
      case .llama3: cut(text, CL100KScanner(longestNumber: 3, keepsLastSpaces: false), body)
      case .qwen2: cut(text, CL100KScanner(longestNumber: 1, keepsLastSpaces: false), body)
      case .o200k: cut(text, O200KScanner(), body)
      case .metaspace where splits: cut(text, SpaceMarkScanner(mayCut: [Bool](repeating: true, count: 256)), body)
      case .none, .metaspace: cut(text, WholeTextScanner(), body)
      }
    }
  }

  @inline(__always) private func cut(_ text: TextView, _ scanner: some PreTokenScanner, _ body: (Range<Int>) -> Void) {
    var start = 0
    while start < text.count {
      let end = scanner.end(in: text, from: start)
      body(start..<end)
      start = end
    }
  }
}
