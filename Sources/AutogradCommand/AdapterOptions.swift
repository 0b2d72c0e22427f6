import ArgumentParser
import AutogradBase
import AutogradModels

/// Adapters that a model is used with: what every command that opens one to use it takes.
struct AdapterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Use the model with this adapter; may be given several times.", valueName: "dir"))
  var adapter: [String] = []

  @Option(help: ArgumentHelp("What the adapters count: one number, or one for each. (default: 1)", valueName: "x"))
  var adapterScale: [Double] = []

  @Flag(help: "Use adapters over another form of their base, too.")
  var anyBase = false

  func validate() throws {
    if adapter.isEmpty, !adapterScale.isEmpty { throw ValidationError("--adapter-scale means nothing without --adapter") }
    if adapter.contains("") { throw ValidationError("--adapter names no folder") }
    if let wrong = adapterScale.first(where: { !$0.isFinite }) {
      throw ValidationError("--adapter-scale must be a number, got \(wrong)")
    }
    guard adapterScale.count <= 1 || adapterScale.count == adapter.count else {
      throw ValidationError(
        "--adapter-scale is given \(adapterScale.count) times for \(adapter.count) adapters; give it once, or for each")
    }
  }

  /// Opens a model, a run or an adapter's folder, with the adapters over it.
  func open(_ path: String) throws(LanguageModelError) -> any StoredModel {
    let model = try openModel(path)
    let adapted = model as? AdaptedStoredModel
    guard !adapter.isEmpty || adapted != nil else { return model }
    let given = adapter.enumerated().map { index, path in
      (directory: AdapterDirectory(path), scale: adapterScale.count > 1 ? adapterScale[index] : adapterScale.first ?? 1)
    }
    return AdaptedStoredModel(
      adapted?.base ?? model, (adapted?.adapters ?? []) + given, takesAnyBase: anyBase)
  }
}
