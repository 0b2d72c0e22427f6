import AutogradEngine
import AutogradKernels
import AutogradNeuralNetwork

/// The text that a generator was last asked about, with its keys and values: the next one goes on from what both begin
/// with.
final class KeptText<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let tape: Tape<Scalar>
  private let parameters: [Parameter<Scalar>]
  /// What part of a text is seen: a text that has grown beyond the context loses half of it.
  private let window: ContextWindow
  private var texts: CachedTexts?
  /// What `texts` were made for: more room, other weights and other products make others.
  private var room = 0, version: UInt64 = 0, mode = ProductMode.exact

  init(_ model: any LanguageModel<Scalar>, _ tape: Tape<Scalar>) {
    self.model = model
    self.tape = tape
    parameters = model.parameters.map(\.parameter)
    window = ContextWindow(size: model.configuration.contextLength, keptCount: 0)
  }

  /// What a session takes that holds a text of `count` tokens, or its last ones.
  func plan(upTo count: Int) -> SessionPlan {
    let size = size(for: count)
    return SessionShape(model, sequences: 1, contextSize: size, type: nil, chunk: chunk(size)).plan(model, tape)
  }

  private func size(for count: Int) -> Int { max(1, min(count, window.size)) }

  private func chunk(_ size: Int) -> Int { min(size, 512) }

  /// Sees to it that a text of `count` tokens, or its last ones, can be kept.
  func makeRoom(for count: Int) {
    let version = parameters.reduce(0) { $0 &+ $1.core.version }
    let isStale = texts == nil || version != self.version || mode != tape.productMode, need = size(for: count)
    guard isStale || need > room else { return }
    // A text that grows token by token is computed afresh ever more rarely.
    let size = isStale ? need : size(for: max(need, 2 * room))
    texts = nil
    do {
      texts = CachedTexts(try DecoderSession(model, contextSize: size, chunk: chunk(size), tape: tape))
    } catch {
      fatalError("generator: \(error)")
    }
    (room, self.version, mode) = (size, version, tape.productMode)
  }

  /// The logits [V] of the token after a text.
  func logits(after text: [Int32]) -> [Float] {
    guard !text.isEmpty else { fatalError("generator: a text of no tokens has nothing to continue") }
    makeRoom(for: text.count)
    do {
      return try texts?.logits(after: text, in: window) ?? []
    } catch {
      fatalError("generator: \(error)")
    }
  }
}
