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
  /// For text that comes piece by piece, and for many texts, see `TextSession`.
  ///
  /// - Parameters:
  ///   - prompt: At least one character.
  ///   - sampler: Chooses tokens; temperature 0 always takes the likeliest.
  ///   - stops: Ends before the first of these texts.
  /// - Returns: What follows the prompt, without it.
  /// - Throws: `text` with what the tokenizer does not know, or `emptyPrompt`; `sampling`.
  public func generate(
    _ prompt: String, tokenizer: any Tokenizer, maximumTokens: Int, sampler: Sampler = Sampler(), stops: [String] = []
  ) throws(GenerationError) -> String {
    let tokens: [Int32]
    do throws(TextError) { tokens = try tokenizer.encodePrompt(prompt) } catch { throw .text(error) }
    if tokens.isEmpty { throw .text(.emptyPrompt) }
    var text = ""
    do throws(SamplingError) {
      try Generator(model: self, sampler: sampler).generate(
        after: tokens, count: maximumTokens, tokenizer: tokenizer, stops: stops
      ) { piece in
        text += piece
        return true
      }
    } catch {
      throw .sampling(error)
    }
    return text
  }
}
