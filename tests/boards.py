"""Boards as they were recorded: the files and the answers of commands that readers of `edge_mdda.device` look at.

A Raspberry Pi 5 (Debian 12) and its power chip's answer, as people publish them with `vcgencmd pmic_read_adc`; a
Raspberry Pi Zero 2 W (Debian 12, kernel 6.6) with an old supply; a Jetson Orin Nano Super developer kit, JetPack 6.2.1
(Jetson Linux 36.4.7), its `nvpmodel -q` and `jetson_clocks --show`, with the INA3221 of tegra234-p3767.dtsi. Serial
numbers and the like are left out. A Raspberry Pi 4 with Debian 13 is put together and not recorded: the revision of
sbc-bench issue 136, the names of bcm2711-rpi-4-b.dts, its usual clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_mdda.device.system import System

PMIC = """\
 3V7_WL_SW_A current(0)=0.10247270A
   3V3_SYS_A current(1)=0.10832820A
   1V8_SYS_A current(2)=0.15712470A
  DDR_VDD2_A current(3)=0.00585558A
  DDR_VDDQ_A current(4)=0.00000000A
   1V1_SYS_A current(5)=0.24105470A
    0V8_SW_A current(6)=0.31424950A
  VDD_CORE_A current(7)=1.42880000A
   3V3_DAC_A current(17)=0.00000000A
   3V3_ADC_A current(18)=0.00006105A
   0V8_AON_A current(16)=0.00354090A
      HDMI_A current(22)=0.02002440A
 3V7_WL_SW_V volt(8)=3.71091200V
   3V3_SYS_V volt(9)=3.30910500V
   1V8_SYS_V volt(10)=1.80073100V
  DDR_VDD2_V volt(11)=1.10439400V
  DDR_VDDQ_V volt(12)=0.60439500V
   1V1_SYS_V volt(13)=1.10805800V
    0V8_SW_V volt(14)=0.80402850V
  VDD_CORE_V volt(15)=0.90659250V
   3V3_DAC_V volt(20)=3.31135200V
   3V3_ADC_V volt(21)=3.31867800V
   0V8_AON_V volt(19)=0.79882700V
      HDMI_V volt(23)=5.07860000V
     EXT5V_V volt(24)=5.05716000V
      BATT_V volt(25)=0.00000000V
"""
JETSON_CLOCKS = """\
SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super
Online CPUs: 0-5
cpu0:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=1190400 IdleStates: WFI=1 c7=1\x20
cpu1:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=1344000 IdleStates: WFI=1 c7=1\x20
cpu2:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=729600 IdleStates: WFI=1 c7=1\x20
GPU MinFreq=306000000 MaxFreq=918000000 CurrentFreq=306000000
Active GPU TPCs: 4
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=665600000 FreqOverride=0
FAN Dynamic Speed Control=nvfancontrol hwmon0_pwm1=58
NV Power Mode: 25W
"""
MEMINFO = """\
MemTotal:        8256448 kB
MemFree:         5123456 kB
MemAvailable:    6881280 kB
Buffers:           65536 kB
SwapTotal:        524272 kB
SwapFree:         524272 kB
"""


def cpuinfo(cores: int, part: str, maker: str = "0x41") -> str:
    """As a 64-bit ARM kernel prints it."""
    one = (
        "processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
        "CPU implementer\t: {maker}\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
    )
    return "".join(one.format(number=number, maker=maker, part=part) for number in range(cores))


def build(root: Path, files: Mapping[str, str], commands: Mapping[tuple[str, ...], str] | None = None) -> System:
    """A machine of these files and of these commands; all others are not installed."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    answers = dict(commands or {})

    def run(command: Sequence[str]) -> str | None:
        return answers.get(tuple(command))

    return System(root, run)


RASPBERRY_PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
    "proc/cpuinfo": cpuinfo(4, "0xd0b"),
    "proc/meminfo": MEMINFO,
    "proc/sys/kernel/osrelease": "6.6.51+rpt-rpi-2712\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_min_freq": "1500000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "58400\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device0/cur_state": "3\n",
    "sys/class/video4linux/video19/name": "rpi-hevc-dec\n",
    "sys/class/video4linux/video20/name": "pispbe-input\n",
}
RASPBERRY_PI_5_COMMANDS = {
    ("vcgencmd", "get_throttled"): "throttled=0x0\n",
    ("vcgencmd", "measure_clock", "arm"): "frequency(0)=2400033792\n",
    ("vcgencmd", "pmic_read_adc"): PMIC,
}
RASPBERRY_PI_4 = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
    "proc/cpuinfo": cpuinfo(4, "0xd08"),
    "proc/sys/kernel/osrelease": "6.12.47+rpt-rpi-v8\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_min_freq": "600000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    # As where the kernel was started with cgroup_disable=memory.
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
}
RASPBERRY_PI_ZERO_2_W = {
    "proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
    "proc/device-tree/compatible": "raspberrypi,model-zero-2-w\0brcm,bcm2837\0",
    "proc/cpuinfo": cpuinfo(4, "0xd03"),
    "proc/meminfo": "MemTotal: 426968 kB\nMemAvailable: 201728 kB\nSwapTotal: 102396 kB\nSwapFree: 51196 kB\n",
    "proc/sys/kernel/osrelease": "6.6.20+rpt-rpi-v8\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1000000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "81121\n",
}
JETSON_ORIN_NANO = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0",
    "proc/cpuinfo": cpuinfo(6, "0xd42"),
    "proc/meminfo": MEMINFO,
    "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
    "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\n',
    "etc/nv_tegra_release": (
        "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64, "
        "DATE: Thu Sep 18 22:54:44 UTC 2025\n"
        "# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n"
    ),
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1190400\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "729600\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1344000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1344000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "49937\n",
    "sys/class/thermal/thermal_zone8/type": "tj-thermal\n",
    "sys/class/thermal/thermal_zone8/temp": "51312\n",
    "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/thermal/cooling_device7/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device7/cur_state": "1\n",
    "sys/class/thermal/cooling_device8/type": "cpu-throttle-alert\n",
    "sys/class/thermal/cooling_device8/cur_state": "0\n",
    "sys/class/hwmon/hwmon1/name": "ina3221\n",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
    "sys/class/hwmon/hwmon1/in1_input": "4984\n",
    "sys/class/hwmon/hwmon1/curr1_input": "1120\n",
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV\n",
    "sys/class/hwmon/hwmon1/in2_input": "4976\n",
    "sys/class/hwmon/hwmon1/curr2_input": "296\n",
    "sys/class/hwmon/hwmon1/in3_label": "VDD_SOC\n",
    "sys/class/hwmon/hwmon1/in3_input": "4976\n",
    "sys/class/hwmon/hwmon1/curr3_input": "304\n",
    "sys/class/hwmon/hwmon1/in4_input": "5600\n",
    "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages\n",
    "sys/class/hwmon/hwmon1/curr4_input": "1720\n",
    "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
    "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
    "sys/class/hwmon/hwmon3/oc2_event_cnt": "15\n",
    "sys/class/hwmon/hwmon3/oc3_event_cnt": "37\n",
}
JETSON_ORIN_NANO_COMMANDS = {
    ("nvpmodel", "-q"): "NV Power Mode: 25W\n1\n",
    ("jetson_clocks", "--show"): JETSON_CLOCKS,
}


def raspberry_pi_5(root: Path) -> System:
    return build(root, RASPBERRY_PI_5, RASPBERRY_PI_5_COMMANDS)


def raspberry_pi_zero_2_w(root: Path) -> System:
    """Its user may not open the firmware's device, so vcgencmd fails."""
    return build(root, RASPBERRY_PI_ZERO_2_W)


def jetson_orin_nano(root: Path) -> System:
    return build(root, JETSON_ORIN_NANO, JETSON_ORIN_NANO_COMMANDS)
