import AutogradEngine
import AutogradKernels
import AutogradNeuralNetwork

/// The text that a generator was last asked about, with its keys and values: the next one goes on from what both begin
/// with.
final class KeptText<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let tape: Tape<Scalar>
  private let parameters: [Parameter<Scalar>]
  private var session: DecoderSession<Scalar>?
  private var tokens: [Int32] = []
  /// What the session was made with: another precision has other bits, and so have other weights.
  private var precision = MatmulPrecision.float32
  private var weightsVersion: UInt64 = 0

  init(_ model: any LanguageModel<Scalar>, _ tape: Tape<Scalar>) {
    self.model = model
    self.tape = tape
    parameters = model.parameters.map(\.parameter)
  }

  private var contextLength: Int { model.configuration.contextLength }

  /// What a session takes that holds a text of `count` tokens, or its last ones.
  func plan(upTo count: Int) -> SessionPlan {
    let size = size(for: count)
    return SessionShape(model, sequences: 1, contextSize: size, type: nil, chunk: chunk(size)).plan(model, tape)
  }

  private func size(for count: Int) -> Int { max(1, min(count, contextLength)) }

  private func chunk(_ size: Int) -> Int { min(size, 512) }

  /// Sees to it that a text of `count` tokens, or its last ones, can be kept.
  func makeRoom(for count: Int) {
    let need = size(for: count)
    if let session, session.contextSize >= need, precision == tape.matmulPrecision { return }
    // A text that grows token by token is computed afresh ever more rarely.
    let size = session == nil ? need : min(contextLength, max(need, 2 * tokens.count))
    session = nil
    tokens = []
    precision = tape.matmulPrecision
    do {
      session = try DecoderSession(model, contextSize: size, chunk: chunk(size), tape: tape)
    } catch {
      fatalError("generator: \(error)")
    }
  }

  /// The logits [V] of the token after a text that fits into the context.
  func logits(after text: ArraySlice<Int32>) -> [Scalar] {
    makeRoom(for: text.count)
    let version = parameters.reduce(0) { $0 &+ $1.core.version }
    if version != weightsVersion { tokens = [] }
    weightsVersion = version
    // The last token is fed even where it was before: its logits are what is asked for.
    let kept = min(zip(tokens, text).prefix { $0 == $1 }.count, text.count - 1)
    do {
      guard let session, kept >= 0 else { fatalError("generator: a text of no tokens has nothing to continue") }
      session.truncate(0, to: kept)
      let logits = try session.advance([.init(tokens: text.dropFirst(kept))])
      tokens.removeLast(tokens.count - kept)
      tokens += text.dropFirst(kept)
      return logits[0]
    } catch {
      fatalError("generator: \(error)")
    }
  }
}
