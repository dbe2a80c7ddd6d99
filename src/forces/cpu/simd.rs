//! Which vector instructions the processor has, and functions compiled once for each.

/// Instruction sets the backend is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdLevel {
    /// Four lanes: SSE2, NEON.
    Portable,
    /// Eight lanes: AVX2 with FMA.
    Avx2,
    /// Sixteen lanes: AVX-512 F, DQ and VL.
    Avx512,
}

impl SimdLevel {
    /// Levels this processor runs, widest first.
    pub fn available() -> Vec<SimdLevel> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(SimdLevel::Avx512);
            }
            if avx2 {
                levels.push(SimdLevel::Avx2);
            }
        }
        levels.push(SimdLevel::Portable);
        levels
    }

    pub fn name(self) -> &'static str {
        match self {
            SimdLevel::Portable if cfg!(target_arch = "x86_64") => "SSE2",
            SimdLevel::Portable if cfg!(target_arch = "aarch64") => "NEON",
            SimdLevel::Portable => "portable SIMD",
            SimdLevel::Avx2 => "AVX2",
            SimdLevel::Avx512 => "AVX-512",
        }
    }
}

/// `vectorised!(fn name(args) => body)` makes `fn name(level, args)`, which runs the `#[inline(always)]` function
/// `body` compiled for that level. Plain loops are enough: the compiler vectorises them with the instructions given.
macro_rules! vectorised {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? => $body:path) => {
        $(#[$meta])*
        fn $name(level: $crate::forces::cpu::simd::SimdLevel, $($arg: $ty),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) $(-> $out)? {
                $body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) $(-> $out)? {
                $body($($arg),*)
            }
            match level {
                // SAFETY: a level other than Portable is only made after the processor was asked for it
                #[cfg(target_arch = "x86_64")]
                $crate::forces::cpu::simd::SimdLevel::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::forces::cpu::simd::SimdLevel::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body($($arg),*),
            }
        }
    };
}
pub(super) use vectorised;
