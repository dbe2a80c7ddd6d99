//! Which vector instructions the processor has, and functions compiled once for each.

/// Instruction sets the backend is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdLevel {
    /// Plain Rust: right on every processor.
    Portable,
    /// Four lanes: SSE2 or NEON, which every x86-64 and aarch64 processor has.
    Four,
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
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            levels.push(SimdLevel::Four);
        }
        levels.push(SimdLevel::Portable);
        levels
    }

    pub fn name(self) -> &'static str {
        match self {
            SimdLevel::Portable => "plain Rust",
            SimdLevel::Four if cfg!(target_arch = "aarch64") => "NEON",
            SimdLevel::Four => "SSE2",
            SimdLevel::Avx2 => "AVX2",
            SimdLevel::Avx512 => "AVX-512",
        }
    }
}

/// `vectorised!(fn name(args) => body)` makes `fn name(level, args)`, which runs the `#[inline(always)]` function
/// `body` compiled for that level. Plain loops are enough: the compiler vectorises them with the instructions given.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? => $body:path) => {
        $(#[$meta])*
        $vis fn $name(level: $crate::forces::cpu::simd::SimdLevel, $($arg: $ty),*) $(-> $out)? {
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

/// The same for a function that is generic over [`super::lanes::Lanes`]: on eight lanes at most, or with `16:` in front on as many as there are.
macro_rules! laned {
    (16: $($rest:tt)*) => {
        $crate::forces::cpu::simd::laned!(@ "avx512f,avx512dq,avx512vl,avx2,fma", Avx512; $($rest)*);
    };
    (@ $features:literal, $widest:ident; $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) => $body:ident) => {
        $vis fn $name(level: $crate::forces::cpu::simd::SimdLevel, $($arg: $ty),*) {
            use $crate::forces::cpu::{lanes, simd::SimdLevel};
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = $features)]
            unsafe fn avx512($($arg: $ty),*) {
                unsafe { $body::<lanes::$widest>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) {
                unsafe { $body::<lanes::Avx2>($($arg),*) }
            }
            // SAFETY: a level other than Portable is only made after the processor was asked for it
            unsafe {
                match level {
                    SimdLevel::Portable => $body::<lanes::Portable>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    SimdLevel::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    SimdLevel::Avx2 => avx2($($arg),*),
                    _ => $body::<lanes::Four>($($arg),*),
                }
            }
        }
    };
    ($($rest:tt)*) => {
        $crate::forces::cpu::simd::laned!(@ "avx2,fma", Avx2; $($rest)*);
    };
}
pub(super) use laned;
