import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How likely a model finds what may follow a context.
public struct ContinuationScore: Sendable, Equatable {
  /// The logarithm of the probability of all tokens together, in nats.
  public let logProbability: Double
  public let tokenCount: Int
  /// Whether each token was the likeliest at its place; nil where nobody asked.
  public let isGreedy: Bool?
}

/// What a model made of the items of a task.
public struct TaskResult: Sendable, Equatable {
  public let kind: TaskFile.Kind
  public let itemCount: Int
  /// The share of items where the right choice is the likeliest, of ties the first; of continuations, where each token
  /// was the likeliest. As lm-evaluation-harness' `acc`.
  public let accuracy: Double
  /// The same by logarithm of probability per character (Unicode scalar) and per byte of the choice: `acc_norm` and
  /// `acc_bytes`; nil for continuations.
  public let accuracyPerCharacter, accuracyPerByte: Double?
  /// Of the right choices: e to minus the mean logarithm of probability of an item, as `perplexity` there.
  public let perplexity: Double
  /// Mean negative log-likelihood per token and per byte of the right choices.
  public let loss, bitsPerByte: Double
  /// Items of which the beginning of the context did not fit.
  public let cutCount: Int

  /// How far a share of items may be from that of all such items: its standard error.
  public func standardError(of share: Double) -> Double {
    itemCount > 1 ? (share * (1 - share) / Double(itemCount - 1)).squareRoot() : .nan
  }
}

/// Scores items of tasks as lm-evaluation-harness does: context and continuation are encoded together, cut at the tokens of
/// the context alone, and of texts longer than the model's context the end is seen.
///
/// A space is put between context and continuation unless one of them has white space there.
public struct TaskScorer<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let tokenizer: any Tokenizer
  private let tape: Tape<Scalar>

  /// - Parameter tape: Runs the model; one of its own unless given.
  public init(model: any LanguageModel<Scalar>, tokenizer: any Tokenizer, tape: Tape<Scalar> = Tape()) {
    (self.model, self.tokenizer, self.tape) = (model, tokenizer, tape)
  }

  /// Scores all items.
  ///
  /// - Parameters:
  ///   - path: What errors call the file.
  ///   - progress: Called after each item with the share done; false ends early.
  /// - Returns: Nil where it was ended.
  /// - Throws: `inside` with the line of an item that cannot be scored.
  /// - Complexity: one forward pass for each choice.
  public func score(
    _ file: TaskFile, path: String, progress: (Double) -> Bool = { _ in true }
  ) throws(TextError) -> TaskResult? {
    var right = 0, perCharacter = 0, perByte = 0, cut = 0, tokens = 0, bytes = 0
    var sum = CompensatedSum()
    for (number, item) in file.items.enumerated() {
      var scores: [ContinuationScore] = [], isCut = false
      do throws(TextError) {
        for choice in item.choices {
          let pair = try self.pair(item.context, choice)
          isCut = isCut || pair.tokens.count > model.configuration.contextLength + 1
          scores.append(try score(pair, findsGreedy: file.kind == .continuation))
        }
      } catch {
        throw .inside(path: path, line: item.line, error)
      }
      cut += isCut ? 1 : 0
      let own = scores[item.answer]
      sum.add(own.logProbability)
      tokens += own.tokenCount
      bytes += item.choices[item.answer].utf8.count
      if file.kind == .continuation {
        right += own.isGreedy == true ? 1 : 0
      } else {
        func isRight(_ length: (String) -> Int) -> Int {
          best(zip(scores, item.choices).map { $0.logProbability / Double(length($1)) }) == item.answer ? 1 : 0
        }
        right += isRight { _ in 1 }
        perCharacter += isRight { $0.unicodeScalars.count }
        perByte += isRight { $0.utf8.count }
      }
      if !progress(Double(number + 1) / Double(file.items.count)) { return nil }
    }
    let count = Double(file.items.count), isChoice = file.kind == .multipleChoice
    return TaskResult(
      kind: file.kind, itemCount: file.items.count, accuracy: Double(right) / count,
      accuracyPerCharacter: isChoice ? Double(perCharacter) / count : nil,
      accuracyPerByte: isChoice ? Double(perByte) / count : nil, perplexity: exp(-sum.total / count),
      loss: -sum.total / Double(tokens), bitsPerByte: -sum.total / (log(2) * Double(bytes)), cutCount: cut)
  }

  /// The first of the largest.
  private func best(_ values: [Double]) -> Int {
    values.indices.dropFirst().reduce(0) { values[$1] > values[$0] ? $1 : $0 }
  }

  /// The tokens of a context and what follows, and how many of them follow.
  private func pair(_ context: String, _ continuation: String) throws(TextError) -> (tokens: [Int32], continued: Int) {
    // White space at the end of the context belongs to what follows: tokens begin with it.
    let head = context.withoutSpaceAtEnd, space = context.unicodeScalars.dropFirst(head.unicodeScalars.count)
    let needsSpace = space.isEmpty && !context.isEmpty && continuation.withoutSpaceAtBeginning.utf8.count == continuation.utf8.count
    let whole = head + String(String.UnicodeScalarView(space)) + (needsSpace ? " " : "") + continuation
    let tokens = try tokenizer.encode(whole), before = try head.isEmpty ? [] : tokenizer.encode(head)
    guard before.count < tokens.count else {
      throw .notTaskItem("what follows its context makes no token of its own")
    }
    let beginning = tokenizer.beginningTokens
    if !before.isEmpty || !beginning.isEmpty { return (beginning + tokens, tokens.count - before.count) }
    let first = tokenizer.specialTokens.first { $0.role == .beginningOfText } ?? tokenizer.specialTokens.first { $0.role == .endOfText }
    guard let first else {
      throw .notTaskItem("it has no context, and the vocabulary no token that begins or ends a text to put there")
    }
    return ([first.id] + tokens, tokens.count)
  }

  private func score(
    _ pair: (tokens: [Int32], continued: Int), findsGreedy: Bool
  ) throws(TextError) -> ContinuationScore {
    let context = model.configuration.contextLength, window = Array(pair.tokens.suffix(context + 1))
    guard pair.continued < window.count else {
      throw .notTaskItem("what follows its context has \(pair.continued) tokens, and the model's context is \(context)")
    }
    let count = window.count - 1, first = count - pair.continued
    if !findsGreedy {
      let targets = (0..<count).map { $0 < first ? -1 : window[$0 + 1] }
      let loss = tape.step { tape in
        tape.inference {
          Double(
            model.loss(
              tape.tokens(window.span.extracting(0..<count), shape: [1, count]),
              targets: tape.tokens(targets.span, shape: [1, count]), ignoring: -1
            ).value)
        }
      }
      return ContinuationScore(
        logProbability: -loss * Double(pair.continued), tokenCount: pair.continued, isGreedy: nil)
    }
    let rows = tape.step { tape in
      tape.inference {
        let logits = model.logits(tape.tokens(window.span.extracting(0..<count), shape: [1, count]))
        return (first..<count).map { place in TokenChance(logits.row(place).map { Double($0) }, of: window[place + 1]) }
      }
    }
    return ContinuationScore(
      logProbability: rows.reduce(0) { $0 + $1.logProbability }, tokenCount: rows.count,
      isGreedy: rows.allSatisfy(\.isLikeliest))
  }
}

/// What logits say of one token.
private struct TokenChance: Sendable {
  let logProbability: Double
  let isLikeliest: Bool

  init(_ logits: [Double], of token: Int32) {
    let largest = logits.max() ?? 0, own = logits[Int(token)]
    logProbability = own - largest - log(logits.reduce(0) { $0 + exp($1 - largest) })
    isLikeliest = logits.firstIndex(of: largest) == Int(token)
  }
}
