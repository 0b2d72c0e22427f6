/// The one list of a decoder's tensors, made from its sizes alone: for whoever counts before there is a model, or where
/// none could be, and for `Decoder`, which is held to it when it is made.
extension DecoderConfiguration {
  /// Every tensor, in the order of the model's parameters.
  ///
  /// - Complexity: O(layers): to count those of sizes that nobody has checked, go by `numberCount`.
  public var tensors: [TensorDescription] {
    let block = blockTensors
    let blocks = (0..<layerCount).flatMap { index in
      block.map { TensorDescription("blocks.\(index).\($0.path)", $0.shape, $0.role) }
    }
    return embeddingTensors + blocks + finalTensors
  }

  /// The tensors of one block, under their paths in the block.
  var blockTensors: [TensorDescription] {
    let C = channelCount, F = feedForwardWidth, HD = attentionWidth
    let inputs = HD &+ 2 &* keyValueHeadCount &* headSize, wide = feedForward.isGated ? 2 &* F : F
    let hasFeedForwardBias = biases.contains(.feedForward)
    return normTensors("attentionNorm")
      + linearTensors("attention.input", inputs, C, hasBias: biases.contains(.attentionInput))
      + linearTensors("attention.output", C, HD, .residualProjection, hasBias: biases.contains(.attentionOutput))
      + queryKeyTensors + normTensors("feedForwardNorm")
      + linearTensors("feedForward.input", wide, C, hasBias: hasFeedForwardBias)
      + linearTensors("feedForward.output", C, F, .residualProjection, hasBias: hasFeedForwardBias)
  }

  /// The tensors that stand before and behind the blocks.
  var outerTensors: [TensorDescription] { embeddingTensors + finalTensors }

  private var embeddingTensors: [TensorDescription] {
    var tensors = [TensorDescription("tokenEmbedding.weight", [vocabularySize, channelCount], .tokenEmbedding)]
    if positions == .learned {
      tensors.append(
        TensorDescription("positionEmbedding.weight", [contextLength, channelCount], .positionEmbedding))
    }
    return normalizesEmbedding ? tensors + normTensors("embeddingNorm") : tensors
  }

  private var finalTensors: [TensorDescription] {
    switch head {
    case .tied: normTensors("finalNorm")
    case .own: normTensors("finalNorm") + [TensorDescription("head.weight", [vocabularySize, channelCount], .head)]
    }
  }

  private func normTensors(_ path: String) -> [TensorDescription] {
    let scale = TensorDescription(path + ".weight", [channelCount], .normScale)
    switch norm {
    case .layer:
      let hasShift = biases.contains(.norms)
      return hasShift ? [scale, TensorDescription(path + ".bias", [channelCount], .normShift)] : [scale]
    case .rms(let hasScale): return hasScale ? [scale] : []
    }
  }

  private var queryKeyTensors: [TensorDescription] {
    guard queryKeyNorm == .scaled else { return [] }
    return ["query", "key"].map { TensorDescription("attention.\($0)Norm.weight", [headSize], .normScale) }
  }

  private func linearTensors(
    _ path: String, _ outputs: Int, _ inputs: Int, _ role: TensorDescription.Role = .projection, hasBias: Bool
  ) -> [TensorDescription] {
    let weight = TensorDescription(path + ".weight", [outputs, inputs], role)
    return hasBias ? [weight, TensorDescription(path + ".bias", [outputs], .bias)] : [weight]
  }

  /// The tensors of a role that stand outside of the blocks.
  func tensors(of role: TensorDescription.Role) -> [TensorDescription] { outerTensors.filter { $0.role == role } }

  /// The numbers of all tensors.
  var numberCount: Double {
    let block = blockTensors.reduce(0) { $0 + $1.count }
    return outerTensors.reduce(Double(layerCount) * block) { $0 + $1.count }
  }

  // MARK: What arithmetic costs

  /// Weights that stand in matrix products: those of the layers and the head's, not embeddings, norms and biases.
  public var productWeightCount: Int {
    func count(_ tensors: [TensorDescription]) -> Int {
      tensors.reduce(0) { $0 + ($1.role.isProductWeight ? Int($1.count) : 0) }
    }
    return layerCount * count(blockTensors) + count(finalTensors) + (tiesHead ? vocabularySize * channelCount : 0)
  }

  /// Multiplications and additions that a training step needs for each token, forward and backward.
  ///
  /// Formula: 6 · (weights in matrix products) + 6 · H·D · (sum of each layer's tokens seen). A product costs 2 flops per
  /// weight forward and 4 backward. Attention's two products over all T tokens cost 4 · H·D · T forward and twice that
  /// backward in each layer; being causal, half of it is needed: T counts as seen. With a window of W < T tokens,
  /// W · (2 − W/T) do. Heads that share keys and values save none of it. Norms, activations, softmax and the optimiser
  /// are not counted.
  public func trainingFlopsPerToken(sequenceLength T: Int) -> Double {
    var seen = Double(layerCount) * Double(T)
    if let window, window.size < T {
      let W = Double(window.size), saved = Double(T) - W * (2 - W / Double(T))
      seen -= saved * Double((0..<layerCount).count { window.layers.contains($0) })
    }
    return 6 * Double(productWeightCount) + 6 * Double(attentionWidth) * seen
  }
}
