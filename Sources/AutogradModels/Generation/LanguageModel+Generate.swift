import AutogradEngine
import AutogradNeuralNetwork
public import AutogradText

extension LanguageModel {
  /// Continues a text.
  ///
  /// ```swift
  /// let (model, tokenizer) = try ModelDirectory("runs/book").load()
  /// print(try model.generate("Once upon a time", tokenizer: tokenizer, maximumTokens: 200))
  /// ```
  ///
  /// For text that comes piece by piece, and for many texts, see `Generator`.
  ///
  /// - Parameters:
  ///   - prompt: At least one character.
  ///   - sampler: Chooses tokens; temperature 0 always takes the likeliest.
  ///   - stops: Ends before the first of these texts.
  /// - Returns: What follows the prompt, without it.
  /// - Throws: What the tokenizer does not know; `emptyPrompt` for an empty prompt.
  public func generate(
    _ prompt: String, tokenizer: any Tokenizer, maximumTokens: Int, sampler: Sampler = Sampler(), stops: [String] = []
  ) throws(TextError) -> String {
    let tokens = try tokenizer.encode(prompt)
    if tokens.isEmpty { throw .emptyPrompt }
    var text = ""
    Generator(model: self, sampler: sampler).generate(
      after: tokens, count: maximumTokens, tokenizer: tokenizer, stops: stops
    ) { piece in
      text += piece
      return true
    }
    return text
  }
}
