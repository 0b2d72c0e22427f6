import AutogradBase
import AutogradEngine
import AutogradNeuralNetwork

/// What a session takes of memory, in bytes, part by part: found by dry runs, exact.
public struct SessionPlan: Sendable, Equatable {
  /// Keys and values.
  public let cacheBytes: Int
  /// What a pass makes and gives up again: the most of all passes.
  public let arenaBytes: Int
  /// Scratch memory of all threads.
  public let workspaceBytes: Int
  /// Tables of positions, as far as the context reaches.
  public let tableBytes: Int
  /// What the weights take already.
  public let weightBytes: Int

  /// What the session takes itself.
  public var newBytes: Int { cacheBytes + arenaBytes + workspaceBytes + tableBytes }
  public var total: Int { newBytes + weightBytes }

  var steps: MemoryPlan { MemoryPlan(arenaBytes: arenaBytes, workspaceBytes: workspaceBytes) }
}

/// What a session is made of, beside its model and its tape.
struct SessionShape {
  let cache: CacheSizes
  let type: CacheType?
  /// Rows of a pass, at most.
  let chunk: Int

  init<Scalar>(
    _ model: any LanguageModel<Scalar>, sequences: Int, contextSize: Int, type: CacheType?, chunk: Int
  ) {
    let sizes = model.configuration
    cache = CacheSizes(
      layerCount: sizes.layerCount, sequenceCount: sequences, capacity: contextSize,
      keyValueHeadCount: sizes.keyValueHeadCount, headSize: sizes.headSize)
    self.type = type
    self.chunk = chunk
  }

  /// Runs the passes dry: those whose rows fill the register tiles, since scratch memory does not always grow with the
  /// rows, and the longest with the logits of all of its rows, and of all but one, which are picked out first.
  func plan<Scalar>(_ model: any LanguageModel<Scalar>, _ tape: Tape<Scalar>) -> SessionPlan {
    let kept = KeyValueCache(cache, type: type, tape: tape), most = min(chunk, cache.capacity * cache.sequenceCount)
    func need(_ rows: Int, logits: Int) -> MemoryPlan {
      tape.plan { tape in
        let pass = kept.plannedPass(rows: rows), tokens = tape.plannedTokens(shape: [1, rows])
        tape.inference { model.forEachLogits(tokens, pass, of: Array(0..<Int32(logits)), tape) { _, _ in } }
      }
    }
    let fillingTiles = stride(from: kept.rowsPerTile, to: most, by: kept.rowsPerTile)
    let memory = ([1, most] + fillingTiles).reduce(need(most, logits: most - 1)) { $0.union(need($1, logits: $1)) }
    let sizes = model.configuration
    return SessionPlan(
      cacheBytes: kept.byteCount, arenaBytes: memory.arenaBytes, workspaceBytes: memory.workspaceBytes,
      tableBytes: Int(Double(model.tableBytes) * Double(cache.capacity) / Double(sizes.contextLength)),
      weightBytes: model.parameters.reduce(0) { $0 + $1.parameter.core.takenBytes })
  }
}

extension LanguageModel {
  /// Runs a pass and calls `body` for each of `rows`, in order, with logits [..., V] and the row of them that is its. Inside
  /// a step, without recording.
  ///
  /// Logits exist for `logitRows` of them at a time.
  func forEachLogits(
    _ tokens: Tokens, _ pass: CachePass<Scalar>, of rows: [Int32], _ tape: Tape<Scalar>,
    _ body: (Variable<Scalar>, Int) -> Void
  ) {
    let hidden = hiddenStates(tokens, through: pass), most = SessionShape.logitRows
    if rows.isEmpty { return }
    guard rows.count < pass.rowCount || rows.count > most else {
      let logits = logits(of: hidden)
      for row in rows.indices { body(logits, row) }
      return
    }
    let states = hidden.reshape([pass.rowCount, configuration.channelCount])
    for first in stride(from: 0, to: rows.count, by: most) {
      let count = min(most, rows.count - first)
      // The logits go as they came; what stays of them is what they were made of.
      _ = tape.scope {
        let picked = tape.tokens(rows.span.extracting(first..<first + count), shape: [count]).embedding(states)
        let logits = logits(of: picked)
        for row in 0..<count { body(logits, row) }
        return picked
      }
    }
  }
}

extension SessionShape {
  /// Rows whose logits exist at a time.
  static let logitRows = 32
}
