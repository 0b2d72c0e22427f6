import ArgumentParser
import Base
import LanguageModel
import ModelFormats

struct InspectCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a model directory or a safetensors file holds.",
    discussion: """
      Shows names, types, shapes and sizes of the tensors, and the configuration.
      """)

  static let examples = [
    "autograd inspect runs/book",
    "autograd inspect runs/book/model.safetensors",
  ]


  @Argument(help: ArgumentHelp("A model directory or a .safetensors file.", valueName: "path"))
  var path: String

  mutating func run() throws { try reportingErrors { try inspect() } }

  private func inspect() throws {
    let files = POSIXFileSystem()
    let isDirectory = !path.hasSuffix(".safetensors") && files.exists(path + "/model.safetensors")
    if isDirectory { show(try ModelDirectory(path).configuration()) }
    show(try SafetensorsSummary(path: isDirectory ? path + "/model.safetensors" : path, fileSystem: files))
  }

  private func show(_ configuration: GPTConfiguration) {
    Console.showLine(
      "gpt2: \(configuration.layerCount) layers, \(configuration.headCount) heads, \(configuration.channelCount) channels, "
        + "context \(configuration.contextLength), vocabulary \(configuration.vocabularySize)"
        + (configuration.hasBias ? "" : ", no biases") + (configuration.tiesHead ? ", tied head" : ""))
  }

  private func show(_ summary: SafetensorsSummary) {
    // Whatever the file calls its tensors, a terminal must not obey it.
    let names = summary.entries.map(\.name.escapedForDisplay), width = names.map(\.count).max() ?? 0
    for (name, entry) in zip(names, summary.entries) {
      let shape = "[" + entry.shape.map(String.init).joined(separator: ", ") + "]"
      Console.showLine(
        name + String(repeating: " ", count: width - name.count + 2) + entry.dtype.name + "  " + shape
          + String(repeating: " ", count: max(1, 16 - shape.count)) + entry.byteRange.count.bytes)
    }
    for (key, value) in summary.metadata {
      Console.showLine("metadata \(key.escapedForDisplay): \(value.escapedForDisplay)")
    }
    let elements = summary.entries.reduce(0) { $0 + $1.elementCount }
    let bytes = summary.entries.reduce(0) { $0 + $1.byteRange.count }
    Console.showLine("\(summary.entries.count) tensors, \(elements.grouped) numbers, \(bytes.bytes)")
  }
}
