//! The settings of a service, as far as no value of theirs is read. All that systemd 252 lists (`systemd
//! --dump-configuration-items`) is in one of these or read elsewhere, and so are later ones that its manuals have.

/// What is about when and how it is started.
pub const SUPERVISION: &[&str] = &[
    "BlockIOAccounting",
    "BlockIODeviceWeight",
    "BlockIOReadBandwidth",
    "BlockIOWeight",
    "BlockIOWriteBandwidth",
    "BusName",
    "CPUAccounting",
    "CPUQuotaPeriodSec",
    "CPUSchedulingPolicy",
    "CPUSchedulingPriority",
    "CPUSchedulingResetOnFork",
    "CPUShares",
    "CPUWeight",
    "CoredumpFilter",
    "CoredumpReceive",
    "DefaultMemoryLow",
    "DefaultMemoryMin",
    "DefaultStartupMemoryLow",
    "Delegate",
    "DelegateSubgroup",
    "DisableControllers",
    "ExecCondition",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "ExitType",
    "FailureAction",
    "FileDescriptorStoreMax",
    "FileDescriptorStorePreserve",
    "FinalKillSignal",
    "GuessMainPID",
    "IOAccounting",
    "IODeviceLatencyTargetSec",
    "IODeviceWeight",
    "IOReadBandwidthMax",
    "IOReadIOPSMax",
    "IOSchedulingClass",
    "IOSchedulingPriority",
    "IOWeight",
    "IOWriteBandwidthMax",
    "IOWriteIOPSMax",
    "IPAccounting",
    "IgnoreSIGPIPE",
    "KillMode",
    "KillSignal",
    "LogExtraFields",
    "LogFilterPatterns",
    "LogLevelMax",
    "LogNamespace",
    "LogRateLimitBurst",
    "LogRateLimitIntervalSec",
    "ManagedOOMMemoryPressure",
    "ManagedOOMMemoryPressureDurationSec",
    "ManagedOOMMemoryPressureLimit",
    "ManagedOOMPreference",
    "ManagedOOMSwap",
    "MemoryAccounting",
    "MemoryPressureThresholdSec",
    "MemoryPressureWatch",
    "Nice",
    "NonBlocking",
    "NotifyAccess",
    "OOMPolicy",
    "OOMScoreAdjust",
    "PIDFile",
    "PermissionsStartOnly",
    "RebootArgument",
    "ReloadSignal",
    "RemainAfterExit",
    "Restart",
    "RestartForceExitStatus",
    "RestartKillSignal",
    "RestartMaxDelaySec",
    "RestartMode",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestartSteps",
    "RootDirectoryStartOnly",
    "RuntimeMaxSec",
    "RuntimeRandomizedExtraSec",
    "SendSIGHUP",
    "SendSIGKILL",
    "SetLoginEnvironment",
    "Slice",
    "Sockets",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "StartLimitAction",
    "StartLimitBurst",
    "StartLimitInterval",
    "StartupBlockIOWeight",
    "StartupCPUShares",
    "StartupCPUWeight",
    "StartupIOWeight",
    "SuccessAction",
    "SuccessExitStatus",
    "SurviveFinalKillSignal",
    "SyslogFacility",
    "SyslogIdentifier",
    "SyslogLevel",
    "SyslogLevelPrefix",
    "TTYColumns",
    "TTYPath",
    "TTYReset",
    "TTYRows",
    "TTYVHangup",
    "TTYVTDisallocate",
    "TasksAccounting",
    "TimeoutAbortSec",
    "TimeoutCleanSec",
    "TimeoutSec",
    "TimeoutStartFailureMode",
    "TimeoutStartSec",
    "TimeoutStopFailureMode",
    "TimeoutStopSec",
    "Type",
    "UtmpIdentifier",
    "UtmpMode",
    "WatchdogSec",
    "WatchdogSignal",
];

/// What holds in a rootlet already: its kernel, clock, devices and processes are not those of the machine.
pub const SO_ALREADY: &[&str] = &[
    "DeviceAllow",
    "DevicePolicy",
    "KeyringMode",
    "MountAPIVFS",
    "MountFlags",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivatePIDs",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "RemoveIPC",
];

/// Names that are often misspelt.
pub const KNOWN: &[&str] = &[
    "User",
    "Group",
    "SupplementaryGroups",
    "DynamicUser",
    "UMask",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "StateDirectory",
    "RuntimeDirectory",
    "CacheDirectory",
    "LogsDirectory",
    "ConfigurationDirectory",
    "BindPaths",
    "BindReadOnlyPaths",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "NoNewPrivileges",
    "Environment",
    "EnvironmentFile",
    "WorkingDirectory",
    "ExecStart",
    "LimitNOFILE",
    "LimitNPROC",
    "MemoryMax",
    "TasksMax",
    "CPUQuota",
];

/// Settings that exist and that a rootlet does not apply.
pub fn not_applied(key: &str) -> Option<&'static str> {
    Some(match key {
        "SystemCallFilter" | "SystemCallErrorNumber" | "SystemCallLog" => {
            "the filter is not applied: calls that systemd refuses, with SIGSYS or this errno, go through here"
        }
        "SystemCallArchitectures" => "programs of another architecture run here",
        "RestrictAddressFamilies" => "sockets of all families can be made here; systemd answers EAFNOSUPPORT",
        "RestrictNamespaces" => "namespaces can be made here; systemd answers EPERM",
        "RestrictRealtime" => {
            "realtime scheduling is asked of the kernel, which wants SYS_NICE; systemd answers EPERM"
        }
        "RestrictSUIDSGID" => "setuid and setgid bits can be set here; systemd answers EPERM",
        "RestrictFileSystems" => "files of all kinds of file system can be opened here",
        "LockPersonality" => "personality(2) can be called here; systemd answers EPERM",
        "MemoryDenyWriteExecute" => "memory can be writable and executable here; systemd answers EPERM",
        "RootDirectory" | "RootImage" => "the root is the base: give it with --base dir:PATH",
        "ExecPaths" | "NoExecPaths" => "what may be executed is not restricted",
        "RootHash" | "RootHashSignature" | "RootVerity" | "RootImageOptions" | "RootImagePolicy"
        | "RootEphemeral" => "the root is the base: give it with --base dir:PATH",
        "MountImages"
        | "MountImagePolicy"
        | "ExtensionImages"
        | "ExtensionImagePolicy"
        | "ExtensionDirectories" => "no image is mounted",
        "LoadCredential"
        | "LoadCredentialEncrypted"
        | "SetCredential"
        | "SetCredentialEncrypted"
        | "ImportCredential" => "credentials are not here",
        "ExecSearchPath" => "the command is looked for in PATH",
        "NetworkNamespacePath" | "IPCNamespacePath" | "UserNamespacePath" => {
            "the namespace is the rootlet's own"
        }
        "NUMAPolicy" | "NUMAMask" | "AllowedMemoryNodes" | "StartupAllowedMemoryNodes" => {
            "memory is of any node of the machine"
        }
        "Personality" => "uname(2) tells the machine's own architecture",
        "TimerSlackNSec" => "timers have the caller's slack",
        "StandardInputText" | "StandardInputData" => "the standard input is the caller's",
        "OpenFile" | "USBFunctionDescriptors" | "USBFunctionStrings" => "no file is handed over open",
        "PassEnvironment" => "the manager's variables are not here",
        "ExecStartPre" | "ExecStartPost" => "it is not run",
        "PAMName" => "no session is opened",
        "SELinuxContext" | "AppArmorProfile" | "SmackProcessLabel" => "no profile is applied",
        "SecureBits" => "secure bits are not set",
        "IPAddressAllow"
        | "IPAddressDeny"
        | "SocketBindAllow"
        | "SocketBindDeny"
        | "RestrictNetworkInterfaces"
        | "IPIngressFilterPath"
        | "IPEgressFilterPath"
        | "BPFProgram"
        | "NFTSet" => "the network is not filtered",
        "MemoryHigh" | "MemoryLow" | "MemoryMin" | "MemorySwapMax" | "MemoryZSwapMax" | "CPUAffinity"
        | "AllowedCPUs" | "StartupAllowedCPUs" => "it is not limited here",
        _ => return None,
    })
}
