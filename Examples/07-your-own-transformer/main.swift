// A transformer of one's own, built of layers: it learns to repeat what it has read.
// The lines between the marks are README's, to the letter; a test holds the two together.

// README: begin
import Autograd

struct Block: Layer {
  let norm1 = LayerNorm<Float>(channels: 32), norm2 = LayerNorm<Float>(channels: 32)
  let attention = CausalSelfAttention<Float>(channels: 32, headCount: 4)
  let feedForward = FeedForward<Float>(channels: 32, width: 128)

  func callAsFunction(_ x: Variable<Float>) -> Variable<Float> {
    let h = attention(norm1(x), adding: x)
    return feedForward(norm2(h), adding: h)
  }
}
// README: end

struct Transformer: Module {
  typealias Scalar = Float
  let tokens: Embedding<Float>, positions: Embedding<Float>
  let blocks = [Block(), Block()]
  let norm = LayerNorm<Float>(channels: 32)

  init(vocabularySize: Int, contextLength: Int) {
    tokens = Embedding(rows: vocabularySize, channels: 32)
    positions = Embedding(rows: contextLength, channels: 32)
  }

  /// The mean loss of predicting `next`; the head shares its weight with the embedding, and the logits never exist.
  ///
  /// Shapes: tokens and `next` [B, T] → [].
  func loss(_ ids: Tokens, _ next: Tokens) -> Variable<Float> {
    var x = tokens(ids) + positions(ids.positions)
    for block in blocks { x = block(x) }
    return norm(x).linearCrossEntropy(tokens.weight, next, ignoring: Repetition.skipped)
  }
}

/// Eight random tokens, and the same eight again: only attention to what stood eight places before tells the next.
enum Repetition {
  static let batch = 16, half = 8, length = 15, vocabulary = 16, skipped: Int32 = -1

  static func sequences(_ random: inout RandomStream) -> (inputs: [Int32], targets: [Int32]) {
    var inputs: [Int32] = [], targets: [Int32] = []
    for _ in 0..<batch {
      let word = (0..<half).map { _ in Int32(random.uniform() * Double(vocabulary)) }
      inputs += word + word.dropLast()
      // What follows within the first eight is chance: it is left out of the loss.
      targets += word.dropFirst().map { _ in skipped } + word
    }
    return (inputs, targets)
  }
}

let model = Transformer(vocabularySize: Repetition.vocabulary, contextLength: Repetition.length)
model.initialize(seed: 1)
print(model.parameterCount, "parameters, the first", model.parameters[0].path)

let tape = Tape<Float>(), optimizer = Adam([ParameterGroup(model.parameters)])
var random = RandomStream(seed: 1, purpose: .sampling)
var loss = Float.infinity  // of sequences never seen before, as every step's are; chance is log 16 = 2.77
for step in 1...500 {
  let (inputs, targets) = Repetition.sequences(&random)
  loss = tape.step { tape in
    let shape: InlineArray = [Repetition.batch, Repetition.length]
    let loss = model.loss(tape.tokens(inputs.span, shape: shape), tape.tokens(targets.span, shape: shape))
    loss.backward()
    return loss.value
  }
  optimizer.step(learningRate: 3e-3)
  if step % 100 == 0 { print("step", step, "loss", loss) }
}
guard loss < 0.05 else { fatalError("it has not learnt to repeat") }
