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

let package = Package(
  name: "swift-autograd",
  products: [
    .library(name: "Autograd", targets: ["Autograd", "NeuralNetwork", "Text", "LanguageModel", "Training"]),
    .library(name: "autograd_v2", targets: ["AutogradV2", "CAutogradV2"]),
    .executable(name: "autograd", targets: ["AutogradCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
  ],
  targets: [
    // One pipeline, imports only upwards (docs/architecture.md).
    .target(name: "CSystem", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
    .target(name: "CKernels", cSettings: optimized),
    .target(name: "Base", swiftSettings: strict),
    .target(name: "Kernels", dependencies: ["CKernels", "CSystem", "Base"], swiftSettings: strict),
    .target(name: "Autograd", dependencies: ["Kernels", "CKernels", "CSystem", "Base"], swiftSettings: recording),
    .target(
      name: "NeuralNetwork", dependencies: ["Autograd", "Kernels", "CKernels", "ModelFormats", "Base"],
      swiftSettings: strict),
    .target(
      name: "Text", dependencies: ["Base"], resources: [.embedInCode("Corpus/grammar.txt")], swiftSettings: strict),
    .target(name: "ModelFormats", dependencies: ["Base"], swiftSettings: strict),
    .target(
      name: "LanguageModel", dependencies: ["NeuralNetwork", "Autograd", "Text", "ModelFormats", "Base"],
      swiftSettings: strict),
    .target(
      name: "Training",
      dependencies: [
        "LanguageModel", "NeuralNetwork", "Autograd", "Kernels", "Text", "Base",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: strict),
    // The C library: headers, globals and forwarders, and the Swift behind them. Every function there takes or gives
    // raw pointers of C; marks of unsafety on each line would mark nothing, so the whole module is the boundary.
    .target(name: "CAutogradV2", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-fno-omit-frame-pointer"])]),
    .target(
      name: "AutogradV2",
      dependencies: ["CAutogradV2", "NeuralNetwork", "Autograd", "Kernels", "CKernels", "CSystem", "ModelFormats", "Base"],
      swiftSettings: [.treatAllWarnings(as: .error)]),
    .executableTarget(
      name: "AutogradCommand",
      dependencies: [
        "Training", "LanguageModel", "NeuralNetwork", "Autograd", "Kernels", "ModelFormats", "Text", "Base", "CSystem",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    // Readers of files from outside, tried with any bytes. The driver replays files; built for it, it fuzzes.
    .target(
      name: "FuzzTargets", dependencies: ["Training", "LanguageModel", "ModelFormats", "Text", "Autograd", "Base"],
      path: "Fuzz/Targets", swiftSettings: strict),
    .executableTarget(
      name: "FuzzDriver", dependencies: ["FuzzTargets", "Base"], path: "Fuzz/Driver", swiftSettings: strict),

    // Tests. Folders mirror Sources.
    .target(name: "CTestSupport", path: "Tests/CTestSupport", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
    .target(
      name: "TestSupport", dependencies: ["Autograd", "Kernels", "ModelFormats", "Base"], path: "Tests/TestSupport"),
    .testTarget(name: "BaseTests", dependencies: ["Base", "TestSupport"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "CKernels", "CSystem", "Base", "TestSupport"]),
    .testTarget(
      name: "AutogradTests", dependencies: ["Autograd", "Kernels", "Base", "CTestSupport", "TestSupport"]),
    .testTarget(
      name: "NeuralNetworkTests",
      dependencies: [
        "NeuralNetwork", "Autograd", "Kernels", "ModelFormats", "Base", "TestSupport", "CTestSupport",
      ]),
    .testTarget(name: "TextTests", dependencies: ["Text", "Base"]),
    .testTarget(name: "ModelFormatsTests", dependencies: ["ModelFormats", "Base"]),
    .testTarget(
      name: "LanguageModelTests",
      dependencies: ["LanguageModel", "NeuralNetwork", "Autograd", "Kernels", "ModelFormats", "Text", "Base", "TestSupport"]
    ),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "LanguageModel", "NeuralNetwork", "Autograd", "Kernels", "Text", "Base", "CTestSupport",
        "TestSupport",
      ]
    ),
    // Builds and runs the programs in Tests/c and Examples/c.
    .testTarget(name: "CLibraryTests", dependencies: ["AutogradV2", "CAutogradV2", "TestSupport"]),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "Base", "TestSupport"]),
    .testTarget(name: "CommandTests", dependencies: ["AutogradCommand", "Base", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
