import AutogradEngine
import AutogradNeuralNetwork

/// Decodes sequences by computing all of each again: what any other decoder must equal, bit for bit.
final class FullPassDecoder: SequenceDecoder {
  private let model: any LanguageModel<Float>
  private let tape: Tape<Float>
  private var texts: [[Int32]]
  let contextSize: Int

  init(_ model: any LanguageModel<Float>, _ options: SessionOptions, _ tape: Tape<Float>) {
    (self.model, self.tape) = (model, tape)
    contextSize = min(options.contextSize ?? .max, model.configuration.contextLength)
    texts = Array(repeating: [], count: options.sequenceCount)
  }

  var sequenceCount: Int { texts.count }

  var memory: SessionMemory {
    var memory = SessionMemory()
    memory.weightBytes = model.tensors.reduce(0) { $0 + $1.parameter.count * MemoryLayout<Float>.stride }
    return memory
  }

  func truncate(_ sequence: Int, to length: Int) { texts[sequence].removeLast(texts[sequence].count - length) }

  func copyPrefix(of source: Int, to target: Int, count: Int) { texts[target] = Array(texts[source].prefix(count)) }

  func advance(_ feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    var rows: [[Float]] = []
    for feed in feeds {
      texts[feed.sequence] += feed.tokens
      let text = texts[feed.sequence]
      precondition(text.count <= contextSize, "\(text.count) tokens in a context of \(contextSize)")
      guard feed.wantsLogits else { continue }
      rows.append(
        tape.step { tape in
          tape.inference { model.logits(tape.tokens(text.span, shape: [1, text.count])).row(text.count - 1) }
        })
    }
    return rows
  }
}
