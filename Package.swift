// swift-tools-version: 6.3
import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

// Recording an operation reads and writes some thirty properties of the tape. That no two of these accesses overlap
// is checked as they run in debug builds, and so by the tests; in release builds the checks would be a third of
// the cost of recording.
let recording: [SwiftSetting] =
  strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

// Debug builds compile C with -O0 otherwise, and every test would wait for the loops.
let optimized: [CSetting] = [.unsafeFlags(["-O3", "-Wall", "-Wextra"])]

// Modules have a prefix, because their names must be unique in the package graph of whoever depends on them.
let package = Package(
  name: "swift-autograd",
  products: [
    .library(name: "Autograd", targets: ["Autograd"]),
    .library(name: "AutogradLM", targets: ["AutogradLM"]),
    .library(name: "autograd_v2", targets: ["AutogradV2", "CAutogradV2"]),
    .executable(name: "autograd", targets: ["AutogradCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    // Its sockets alone, for `serve`; see HTTP/Connection.swift.
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
  ],
  targets: [
    // One pipeline, imports only upwards (docs/architecture.md).
    .target(name: "CAutogradSystem", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]),
    .target(name: "CAutogradKernels", cSettings: optimized),
    .target(name: "AutogradBase", dependencies: ["CAutogradSystem"], swiftSettings: strict),
    .target(
      name: "AutogradKernels", dependencies: ["CAutogradKernels", "CAutogradSystem", "AutogradBase"],
      swiftSettings: strict),
    .target(
      name: "AutogradEngine", dependencies: ["AutogradKernels", "CAutogradKernels", "CAutogradSystem", "AutogradBase"],
      swiftSettings: recording),
    .target(name: "AutogradFormats", dependencies: ["AutogradBase"], swiftSettings: strict),
    .target(
      name: "AutogradNeuralNetwork",
      dependencies: ["AutogradEngine", "AutogradKernels", "CAutogradKernels", "AutogradFormats", "AutogradBase"],
      swiftSettings: strict),
    // What a program imports: the engine with layers and optimisers.
    .target(
      name: "Autograd", dependencies: ["AutogradEngine", "AutogradNeuralNetwork", "AutogradBase"], swiftSettings: strict),
    .target(
      name: "AutogradText", dependencies: ["AutogradFormats", "AutogradBase"], resources: [.embedInCode("Corpus/grammar.txt")],
      swiftSettings: strict),
    .target(
      name: "AutogradModels",
      dependencies: [
        "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels", "AutogradText", "AutogradFormats", "AutogradBase",
      ],
      swiftSettings: strict),
    .target(
      name: "AutogradTraining",
      dependencies: [
        "AutogradModels", "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels", "AutogradText", "AutogradBase",
      ],
      swiftSettings: strict),
    // What a program imports beside it: language models with tokenizers, generation and training.
    .target(
      name: "AutogradLM", dependencies: ["AutogradModels", "AutogradText", "AutogradTraining"], swiftSettings: strict),
    // Answers requests over HTTP. A target of its own, so that only programs that serve have sockets in them.
    .target(
      name: "AutogradServer",
      dependencies: [
        "AutogradModels", "AutogradText", "AutogradBase", "CAutogradSystem",
        .product(name: "FlyingSocks", package: "FlyingFox"),
      ],
      resources: [
        .embedInCode("Page/playground.html"), .embedInCode("Page/playground.css"), .embedInCode("Page/playground.js"),
      ],
      swiftSettings: strict),
    // The C library: headers, globals and forwarders, and the Swift behind them. Every function there takes or gives
    // raw pointers of C; marks of unsafety on each line would mark nothing, so the whole module is the boundary.
    .target(name: "CAutogradV2", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-fno-omit-frame-pointer"])]),
    .target(
      name: "AutogradV2",
      dependencies: [
        "CAutogradV2", "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels", "CAutogradKernels",
        "CAutogradSystem", "AutogradFormats", "AutogradBase",
      ],
      // An exception or a longjmp out of a program's callback leaves accesses without an end.
      swiftSettings: [
        .treatAllWarnings(as: .error), .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
      ]),
    .executableTarget(
      name: "AutogradCommand",
      dependencies: [
        "AutogradServer", "AutogradTraining", "AutogradModels", "AutogradEngine", "AutogradKernels",
        "AutogradFormats", "AutogradText", "AutogradBase", "CAutogradSystem",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    // Readers of files from outside, tried with any bytes. The driver replays files; built for it, it fuzzes.
    .target(
      name: "AutogradFuzzTargets",
      dependencies: [
        "AutogradServer", "AutogradTraining", "AutogradModels", "AutogradFormats", "AutogradText", "AutogradEngine",
        "AutogradBase",
      ],
      path: "Fuzz/Targets", swiftSettings: strict),
    .executableTarget(
      name: "FuzzDriver", dependencies: ["AutogradFuzzTargets", "AutogradBase"], path: "Fuzz/Driver",
      swiftSettings: strict),

    // Tests. Folders mirror Sources.
    .target(
      name: "CAutogradTestSupport", path: "Tests/CAutogradTestSupport",
      cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
    .target(
      name: "AutogradTestSupport",
      dependencies: ["AutogradEngine", "AutogradKernels", "AutogradFormats", "AutogradText", "AutogradBase"],
      path: "Tests/AutogradTestSupport"),
    .testTarget(name: "AutogradBaseTests", dependencies: ["AutogradBase", "AutogradTestSupport"]),
    .testTarget(
      name: "AutogradKernelsTests",
      dependencies: ["AutogradKernels", "CAutogradKernels", "CAutogradSystem", "AutogradBase", "AutogradTestSupport"]),
    .testTarget(
      name: "AutogradEngineTests",
      dependencies: [
        "AutogradEngine", "AutogradKernels", "AutogradBase", "CAutogradTestSupport", "AutogradTestSupport",
      ]),
    .testTarget(
      name: "AutogradNeuralNetworkTests",
      dependencies: [
        "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels", "AutogradFormats", "AutogradBase",
        "AutogradTestSupport", "CAutogradTestSupport",
      ]),
    .testTarget(name: "AutogradTextTests", dependencies: ["AutogradText", "AutogradBase", "AutogradTestSupport"]),
    .testTarget(name: "AutogradFormatsTests", dependencies: ["AutogradFormats", "AutogradBase"]),
    .testTarget(
      name: "AutogradModelsTests",
      dependencies: [
        "AutogradModels", "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels", "AutogradFormats",
        "AutogradText", "AutogradBase", "AutogradTestSupport",
      ]),
    .testTarget(
      name: "AutogradTrainingTests",
      dependencies: [
        "AutogradTraining", "AutogradModels", "AutogradNeuralNetwork", "AutogradEngine", "AutogradKernels",
        "AutogradText", "AutogradBase", "CAutogradTestSupport", "AutogradTestSupport",
      ]),
    .testTarget(
      name: "AutogradServerTests",
      dependencies: ["AutogradServer", "AutogradModels", "AutogradText", "AutogradTestSupport"]),
    // Builds and runs the programs in Tests/c and Examples/c.
    .testTarget(name: "AutogradV2Tests", dependencies: ["AutogradV2", "CAutogradV2", "AutogradTestSupport"]),
    .testTarget(name: "FuzzTests", dependencies: ["AutogradFuzzTargets", "AutogradBase", "AutogradTestSupport"]),
    // What README, docs and manifest say of the tree.
    .testTarget(name: "RepositoryTests", dependencies: ["AutogradCommand"]),
    .testTarget(
      name: "AutogradCommandTests",
      dependencies: ["AutogradCommand", "AutogradKernels", "AutogradText", "AutogradBase", "AutogradTestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
