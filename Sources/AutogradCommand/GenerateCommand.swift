import ArgumentParser
import LanguageModel
import Text

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continues a prompt with a trained model.",
    discussion: """
      EXAMPLES:
        autograd generate --model runs/book --prompt "Once upon a time"
        autograd generate --model runs/book --max-tokens 200 --temperature 0.5 --seed 7
      """)

  @Option(help: ArgumentHelp("A model directory, as train writes it.", valueName: "dir"))
  var model: String

  @Option(name: [.long, .customShort("p")], help: ArgumentHelp("The text to continue (default: a line end).", valueName: "text"))
  var prompt = "\n"

  @Option(name: [.long, .customShort("n")], help: ArgumentHelp("Tokens to generate.", valueName: "n"))
  var maxTokens = 500

  @Option(help: ArgumentHelp("Below 1 bolder, 0 always the likeliest.", valueName: "x"))
  var temperature = 0.8

  @Option(help: ArgumentHelp("Draw from this many of the likeliest tokens.", valueName: "n"))
  var topK = 200

  @Option(name: [.long, .customShort("s")], help: ArgumentHelp("Decides what is drawn.", valueName: "n"))
  var seed: UInt64 = 1337

  func validate() throws {
    guard temperature >= 0, temperature.isFinite else {
      throw ValidationError("--temperature must be a number of at least 0, got \(temperature)")
    }
    guard topK >= 1 else { throw ValidationError("--top-k must be at least 1, got \(topK)") }
    guard maxTokens >= 0 else { throw ValidationError("--max-tokens must be at least 0, got \(maxTokens)") }
  }

  mutating func run() throws {
    let (network, tokenizer) = try load()
    let tokens = try encode(tokenizer)
    Console.show(prompt)
    var decoder = StreamingDecoder(tokenizer)
    let sampler = Sampler(temperature: temperature, topK: topK, seed: seed)
    Generator(model: network, sampler: sampler).generate(after: tokens, count: maxTokens) { token in
      Console.show(decoder.push(token))
      return true
    }
    Console.show(decoder.finish() + "\n")
  }

  private func load() throws -> (GPT<Float>, CharacterTokenizer) {
    do throws(LanguageModelError) {
      let loaded = try ModelDirectory(model).load()
      return (loaded.model, loaded.tokenizer)
    } catch {
      throw fail(error)
    }
  }

  private func encode(_ tokenizer: CharacterTokenizer) throws -> [Int32] {
    guard !prompt.isEmpty else { throw fail("--prompt is empty; give at least one character", .badInput) }
    do throws(TextError) {
      return try tokenizer.encode(prompt)
    } catch {
      throw fail(error)
    }
  }
}
