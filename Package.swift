// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

// Debug builds compile C with -O0 otherwise, and every test would wait for the loops.
let optimized: [CSetting] = [.unsafeFlags(["-O3", "-Wall", "-Wextra"])]

let package = Package(
  name: "swift-autograd",
  products: [
    .library(name: "Autograd", targets: ["Autograd", "Text", "ModelFormats"]),
  ],
  targets: [
    // One pipeline, imports only upwards (docs/architecture.md).
    .target(name: "CSystem", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
    .target(name: "CKernels", cSettings: optimized),
    .target(name: "Base", swiftSettings: strict),
    .target(name: "Kernels", dependencies: ["CKernels", "CSystem", "Base"], swiftSettings: strict),
    .target(name: "Autograd", dependencies: ["Kernels", "Base"], swiftSettings: strict),
    .target(name: "Text", dependencies: ["Base"], swiftSettings: strict),
    .target(name: "ModelFormats", dependencies: ["Base"], swiftSettings: strict),

    // Tests. Folders mirror Sources.
    .target(name: "CTestSupport", path: "Tests/CTestSupport", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
    .target(
      name: "TestSupport", dependencies: ["Autograd", "Base", "Kernels", "ModelFormats"], path: "Tests/TestSupport"),
    .testTarget(name: "KernelsTests", dependencies: ["Base", "CKernels", "CSystem", "Kernels", "TestSupport"]),
    .testTarget(name: "AutogradTests", dependencies: ["Autograd", "Base", "CTestSupport", "Kernels", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
