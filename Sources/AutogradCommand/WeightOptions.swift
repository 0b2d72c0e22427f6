import ArgumentParser
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradText

extension GenerationWeights: ExpressibleByArgument {}
extension ProductMode: ExpressibleByArgument {}

/// In what form a model that generates has its weights, and how it multiplies by them: what every command that
/// generates takes.
struct WeightOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keep the large weights as f32, bf16, q8_0, q4_0, q4_1, or file: as the file has them.", valueName: "form"))
  var weights = GenerationWeights.asStored

  @Option(
    help: ArgumentHelp(
      "Multiply exact, bf16, or integer: activations of 8 bits (integer where weights are quantised, else exact).",
      valueName: "mode"))
  var products: ProductMode?

  /// Opens a model for generating, in the form that was asked for.
  func load(
    _ source: any StoredModel
  ) throws(LanguageModelError) -> (model: Decoder<Float>, tokenizer: any Tokenizer) {
    try source.load(weights: weights)
  }

  /// How to multiply by a model's weights: set it on the tape that runs the model (`Tape.productMode`).
  func productMode(of model: some LanguageModel<Float>) -> ProductMode {
    if let products { return products }
    return model.hasQuantizedWeights ? .integer : .exact
  }

  /// `weights q4_1 66.4 MB, q8_0 30.1 MB, f32 140.5 kB; products integer`
  func summary(of model: some LanguageModel<Float>) -> String {
    let uses = model.weightUse.map { "\($0.format) \($0.byteCount.bytes)" }
    return "weights \(uses.joined(separator: ", ")); products \(productMode(of: model).rawValue)"
  }
}
