/// What a model's arithmetic costs, counted from its sizes.
extension GPTConfiguration {
  /// Weights that stand in matrix products: those of the layers and the head's, not embeddings, norms and biases.
  public var productWeightCount: Int {
    let layer = layerTensors.reduce(0) { $0 + ($1.shape.count > 1 ? $1.count : 0) }
    return layerCount * Int(layer) + vocabularySize * channelCount
  }

  /// Multiplications and additions that a training step needs for each token, forward and backward.
  ///
  /// Formula: 6 · (weights in matrix products) + 6 · L · C · T. A product costs 2 flops per weight forward and 4
  /// backward. Attention's two products over all T tokens cost 4 · C · T forward and twice that backward in each of
  /// the L layers; being causal, half of it is needed. Norms, activations, softmax and the optimiser are not counted.
  public func trainingFlopsPerToken(sequenceLength T: Int) -> Double {
    6 * Double(productWeightCount) + 6 * Double(layerCount) * Double(channelCount) * Double(T)
  }
}
