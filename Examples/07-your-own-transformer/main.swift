// A transformer of one's own, built of layers: it learns to repeat what it has read.
// The lines between the marks are README's, to the letter; a test holds the two together.
import Base

// README: begin
import Autograd
import NeuralNetwork

struct Block: Layer {
  let norm1 = LayerNorm<Float>(channels: 32), norm2 = LayerNorm<Float>(channels: 32)
  let attention = CausalSelfAttention<Float>(channels: 32, headCount: 4)
  let feedForward = FeedForward<Float>(channels: 32, width: 128)

  func listParts(_ parts: inout ModuleParts<Float>) {  // optimisers and files go by these names
    parts.add("norm1", norm1)
    parts.add("attention", attention)
    parts.add("norm2", norm2)
    parts.add("feedForward", feedForward)
  }

  func callAsFunction(_ x: Variable<Float>) -> Variable<Float> {
    let h = attention(norm1(x), adding: x)
    return feedForward(norm2(h), adding: h)
  }
}
// README: end

struct Transformer: Module {
  let tokens: Embedding<Float>, positions: Embedding<Float>
  let blocks = [Block(), Block()]
  let norm = LayerNorm<Float>(channels: 32)

  init(vocabularySize: Int, contextLength: Int) {
    tokens = Embedding(rows: vocabularySize, channels: 32)
    positions = Embedding(rows: contextLength, channels: 32)
  }

  func listParts(_ parts: inout ModuleParts<Float>) {
    parts.add("tokens", tokens)
    parts.add("positions", positions)
    parts.add("blocks", blocks)
    parts.add("norm", norm)
  }

  /// Shapes: tokens [B, T] → [B, T, C].
  func callAsFunction(_ ids: Tokens) -> Variable<Float> {
    var x = tokens(ids) + positions(ids.positions)
    for block in blocks { x = block(x) }
    return norm(x)
  }
}

// Eight random tokens, and the same eight again: only attention to the token eight before can tell the next.
let batch = 16, half = 8, vocabulary = 16, skipped: Int32 = -1
func sequences(_ random: inout RandomStream) -> (inputs: [Int32], targets: [Int32]) {
  var inputs: [Int32] = [], targets: [Int32] = []
  for _ in 0..<batch {
    let word = (0..<half).map { _ in Int32(random.uniform() * Double(vocabulary)) }
    inputs += word + word.dropLast()
    // What follows within the first half is chance: it is left out of the loss.
    targets += word.dropFirst().map { _ in skipped } + word
  }
  return (inputs, targets)
}

let model = Transformer(vocabularySize: vocabulary, contextLength: 2 * half - 1)
model.fillWeights(seed: 1)
print(model.parameterCount, "parameters, from", model.parameters[0].path, "to", model.parameters.last!.path)

let tape = Tape<Float>(), optimizer = Adam([ParameterGroup(model.parameters)])
var random = RandomStream(seed: 1, purpose: .sampling, ordinal: 0)

/// The loss of new sequences, in nats per token; log(16) = 2.77 is chance.
func loss(learning: Bool) -> Float {
  let (inputs, targets) = sequences(&random)
  return tape.step { tape in
    let shape: InlineArray = [batch, 2 * half - 1]
    let ids = tape.tokens(inputs.span, shape: shape), next = tape.tokens(targets.span, shape: shape)
    // The head shares its weight with the embedding, and the logits never exist.
    func loss() -> Variable<Float> { model(ids).linearCrossEntropy(model.tokens.weight, next, ignoring: skipped) }
    guard learning else { return tape.inference { loss().value } }
    let learnt = loss()
    learnt.backward()
    return learnt.value
  }
}

for step in 0..<400 {
  let loss = loss(learning: true)
  optimizer.step(learningRate: 3e-3)
  if step % 100 == 0 { print("step", step, "loss", loss) }
}
let last = loss(learning: false)
print("loss of sequences never seen", last)
guard last < 0.05 else { fatalError("it has not learnt to repeat") }
