// NumPy's files: .npy holds one array, .npz several by name. Thread safety: free functions without state.
//
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 to 3.0. Read: both byte
// orders and both array orders; bool, integers, float16, float32, float64 and fixed-length text ('U' and 'S').
// Arrays of Python objects and structures are refused. bfloat16, which NumPy does not have, is '<V2', as ml_dtypes
// writes it. A .npz is a zip file: read stored or deflated, written stored, as numpy.savez does.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/session.h"
#include "attune/tensor.h"

namespace attune {

/// `name` begins messages. Throws Error(kInvalidArgument) for bytes that are no array or one that is refused.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name);

/// Throws Error: kNoSuchFile, kFail when it cannot be read, kInvalidArgument as parse_npy.
Tensor load_npy(const std::filesystem::path& path);

/// Arrays in the file's order, named without ".npy". Members that do not end so are an error, as are two of one name.
std::vector<NamedTensor> load_npz(const std::filesystem::path& path);

/// Throws Error(kRuntimeException) when the file cannot be written, kNotImplemented for a type without a dtype.
void save_npy(const std::filesystem::path& path, const Tensor& tensor);

/// Written beside the target and renamed, so that a reader never sees half a file.
void save_npz(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace attune
