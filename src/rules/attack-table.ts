/**
 * The techniques of MITRE ATT&CK (Enterprise) that a rule may name: id, tactics, name. Those of Linux,
 * containers and networks, and those of clouds that a workload can reach. Taken from the objects of
 * version 19 (`attackVersion`) as https://github.com/redcanaryco/atomic-red-team carries them (May 2026); what version 19
 * revoked, from its `revoked-by` relationships. Newer versions: renew the table, add what was revoked to
 * the aliases.
 */

/** Ids of earlier versions, and what became of them. */
export const attackAliases: Readonly<Record<string, string>> = {
  t1562: "t1685",
  "t1562.001": "t1685",
  "t1562.002": "t1685.001",
  "t1562.003": "t1690",
  "t1562.004": "t1686",
  "t1562.006": "t1685",
  "t1562.007": "t1686.001",
  "t1562.008": "t1685.002",
  "t1562.009": "t1688",
  "t1562.010": "t1689",
  "t1562.011": "t1685.003",
  "t1562.012": "t1685.004",
  "t1562.013": "t1686.002",
  "t1070.001": "t1685.005",
  "t1070.002": "t1685.006",
  "t1574.002": "t1574.001",
  t1656: "t1684.001",
  t1672: "t1684.002",
};

export const attackTechniques = `
t1001 | command-and-control | Data Obfuscation
t1001.001 | command-and-control | Junk Data
t1001.002 | command-and-control | Steganography
t1001.003 | command-and-control | Protocol or Service Impersonation
t1003 | credential-access | OS Credential Dumping
t1003.005 | credential-access | Cached Domain Credentials
t1003.007 | credential-access | Proc Filesystem
t1003.008 | credential-access | /etc/passwd and /etc/shadow
t1005 | collection | Data from Local System
t1006 | stealth | Direct Volume Access
t1007 | discovery | System Service Discovery
t1008 | command-and-control | Fallback Channels
t1010 | discovery | Application Window Discovery
t1011 | exfiltration | Exfiltration Over Other Network Medium
t1011.001 | exfiltration | Exfiltration Over Bluetooth
t1014 | stealth | Rootkit
t1016 | discovery | System Network Configuration Discovery
t1016.001 | discovery | Internet Connection Discovery
t1016.002 | discovery | Wi-Fi Discovery
t1018 | discovery | Remote System Discovery
t1020 | exfiltration | Automated Exfiltration
t1020.001 | exfiltration | Traffic Duplication
t1021 | lateral-movement | Remote Services
t1021.004 | lateral-movement | SSH
t1021.005 | lateral-movement | VNC
t1025 | collection | Data from Removable Media
t1027 | stealth | Obfuscated Files or Information
t1027.001 | stealth | Binary Padding
t1027.002 | stealth | Software Packing
t1027.003 | stealth | Steganography
t1027.004 | stealth | Compile After Delivery
t1027.005 | stealth | Indicator Removal from Tools
t1027.006 | stealth | HTML Smuggling
t1027.008 | stealth | Stripped Payloads
t1027.009 | stealth | Embedded Payloads
t1027.010 | stealth | Command Obfuscation
t1027.011 | stealth | Fileless Storage
t1027.013 | stealth | Encrypted/Encoded File
t1027.014 | stealth | Polymorphic Code
t1027.015 | stealth | Compression
t1027.016 | stealth | Junk Code Insertion
t1027.017 | stealth | SVG Smuggling
t1027.018 | stealth | Invisible Unicode
t1029 | exfiltration | Scheduled Transfer
t1030 | exfiltration | Data Transfer Size Limits
t1033 | discovery | System Owner/User Discovery
t1036 | stealth | Masquerading
t1036.002 | stealth | Right-to-Left Override
t1036.003 | stealth | Rename Legitimate Utilities
t1036.004 | stealth | Masquerade Task or Service
t1036.005 | stealth | Match Legitimate Resource Name or Location
t1036.006 | stealth | Space after Filename
t1036.008 | stealth | Masquerade File Type
t1036.009 | stealth | Break Process Trees
t1036.010 | stealth | Masquerade Account Name
t1036.011 | stealth | Overwrite Process Arguments
t1036.012 | stealth | Browser Fingerprint
t1037 | persistence, privilege-escalation | Boot or Logon Initialization Scripts
t1037.004 | persistence, privilege-escalation | RC Scripts
t1039 | collection | Data from Network Shared Drive
t1040 | credential-access, discovery | Network Sniffing
t1041 | exfiltration | Exfiltration Over C2 Channel
t1046 | discovery | Network Service Discovery
t1048 | exfiltration | Exfiltration Over Alternative Protocol
t1048.001 | exfiltration | Exfiltration Over Symmetric Encrypted Non-C2 Protocol
t1048.002 | exfiltration | Exfiltration Over Asymmetric Encrypted Non-C2 Protocol
t1048.003 | exfiltration | Exfiltration Over Unencrypted Non-C2 Protocol
t1049 | discovery | System Network Connections Discovery
t1052 | exfiltration | Exfiltration Over Physical Medium
t1052.001 | exfiltration | Exfiltration over USB
t1053 | execution, persistence, privilege-escalation | Scheduled Task/Job
t1053.002 | execution, persistence, privilege-escalation | At
t1053.003 | execution, persistence, privilege-escalation | Cron
t1053.006 | execution, persistence, privilege-escalation | Systemd Timers
t1053.007 | execution, persistence, privilege-escalation | Container Orchestration Job
t1055 | stealth, privilege-escalation | Process Injection
t1055.008 | stealth, privilege-escalation | Ptrace System Calls
t1055.009 | stealth, privilege-escalation | Proc Memory
t1055.014 | stealth, privilege-escalation | VDSO Hijacking
t1056 | collection, credential-access | Input Capture
t1056.001 | collection, credential-access | Keylogging
t1056.002 | collection, credential-access | GUI Input Capture
t1056.003 | collection, credential-access | Web Portal Capture
t1056.004 | collection, credential-access | Credential API Hooking
t1057 | discovery | Process Discovery
t1059 | execution | Command and Scripting Interpreter
t1059.004 | execution | Unix Shell
t1059.005 | execution | Visual Basic
t1059.006 | execution | Python
t1059.007 | execution | JavaScript
t1059.008 | execution | Network Device CLI
t1059.011 | execution | Lua
t1059.013 | execution | Container CLI/API
t1068 | privilege-escalation | Exploitation for Privilege Escalation
t1069 | discovery | Permission Groups Discovery
t1069.001 | discovery | Local Groups
t1069.002 | discovery | Domain Groups
t1070 | stealth | Indicator Removal
t1070.003 | stealth | Clear Command History
t1070.004 | stealth | File Deletion
t1070.006 | stealth | Timestomp
t1070.007 | stealth | Clear Network Connection History and Configurations
t1070.008 | stealth | Clear Mailbox Data
t1070.009 | stealth | Clear Persistence
t1070.010 | stealth | Relocate Malware
t1071 | command-and-control | Application Layer Protocol
t1071.001 | command-and-control | Web Protocols
t1071.002 | command-and-control | File Transfer Protocols
t1071.003 | command-and-control | Mail Protocols
t1071.004 | command-and-control | DNS
t1071.005 | command-and-control | Publish/Subscribe Protocols
t1072 | execution, lateral-movement | Software Deployment Tools
t1074 | collection | Data Staged
t1074.001 | collection | Local Data Staging
t1074.002 | collection | Remote Data Staging
t1078 | stealth, persistence, privilege-escalation, initial-access | Valid Accounts
t1078.001 | stealth, persistence, privilege-escalation, initial-access | Default Accounts
t1078.002 | stealth, persistence, privilege-escalation, initial-access | Domain Accounts
t1078.003 | stealth, persistence, privilege-escalation, initial-access | Local Accounts
t1078.004 | stealth, persistence, privilege-escalation, initial-access | Cloud Accounts
t1080 | lateral-movement | Taint Shared Content
t1082 | discovery | System Information Discovery
t1083 | discovery | File and Directory Discovery
t1087 | discovery | Account Discovery
t1087.001 | discovery | Local Account
t1087.002 | discovery | Domain Account
t1090 | command-and-control | Proxy
t1090.001 | command-and-control | Internal Proxy
t1090.002 | command-and-control | External Proxy
t1090.003 | command-and-control | Multi-hop Proxy
t1090.004 | command-and-control | Domain Fronting
t1092 | command-and-control | Communication Through Removable Media
t1095 | command-and-control | Non-Application Layer Protocol
t1098 | persistence, privilege-escalation | Account Manipulation
t1098.004 | persistence, privilege-escalation | SSH Authorized Keys
t1098.006 | persistence, privilege-escalation | Additional Container Cluster Roles
t1098.007 | persistence, privilege-escalation | Additional Local or Domain Groups
t1102 | command-and-control | Web Service
t1102.001 | command-and-control | Dead Drop Resolver
t1102.002 | command-and-control | Bidirectional Communication
t1102.003 | command-and-control | One-Way Communication
t1104 | command-and-control | Multi-Stage Channels
t1105 | command-and-control | Ingress Tool Transfer
t1106 | execution | Native API
t1110 | credential-access | Brute Force
t1110.001 | credential-access | Password Guessing
t1110.002 | credential-access | Password Cracking
t1110.003 | credential-access | Password Spraying
t1110.004 | credential-access | Credential Stuffing
t1111 | credential-access | Multi-Factor Authentication Interception
t1113 | collection | Screen Capture
t1114 | collection | Email Collection
t1114.003 | collection | Email Forwarding Rule
t1115 | collection | Clipboard Data
t1119 | collection | Automated Collection
t1120 | discovery | Peripheral Device Discovery
t1123 | collection | Audio Capture
t1124 | discovery | System Time Discovery
t1125 | collection | Video Capture
t1129 | execution | Shared Modules
t1132 | command-and-control | Data Encoding
t1132.001 | command-and-control | Standard Encoding
t1132.002 | command-and-control | Non-Standard Encoding
t1133 | persistence, initial-access | External Remote Services
t1135 | discovery | Network Share Discovery
t1136 | persistence | Create Account
t1136.001 | persistence | Local Account
t1136.002 | persistence | Domain Account
t1140 | stealth | Deobfuscate/Decode Files or Information
t1176 | persistence | Software Extensions
t1176.001 | persistence | Browser Extensions
t1176.002 | persistence | IDE Extensions
t1189 | initial-access | Drive-by Compromise
t1190 | initial-access | Exploit Public-Facing Application
t1195 | initial-access | Supply Chain Compromise
t1195.001 | initial-access | Compromise Software Dependencies and Development Tools
t1195.002 | initial-access | Compromise Software Supply Chain
t1195.003 | initial-access | Compromise Hardware Supply Chain
t1199 | initial-access | Trusted Relationship
t1200 | initial-access | Hardware Additions
t1201 | discovery | Password Policy Discovery
t1203 | execution | Exploitation for Client Execution
t1204 | execution | User Execution
t1204.001 | execution | Malicious Link
t1204.002 | execution | Malicious File
t1204.003 | execution | Malicious Image
t1204.004 | execution | Malicious Copy and Paste
t1204.005 | execution | Malicious Library
t1205 | stealth, persistence, command-and-control | Traffic Signaling
t1205.001 | stealth, persistence, command-and-control | Port Knocking
t1205.002 | stealth, persistence, command-and-control | Socket Filters
t1210 | lateral-movement | Exploitation of Remote Services
t1211 | stealth | Exploitation for Stealth
t1212 | credential-access | Exploitation for Credential Access
t1213 | collection | Data from Information Repositories
t1213.006 | collection | Databases
t1217 | discovery | Browser Information Discovery
t1218 | stealth | System Binary Proxy Execution
t1218.015 | stealth | Electron Applications
t1219 | command-and-control | Remote Access Tools
t1219.001 | command-and-control | IDE Tunneling
t1219.002 | command-and-control | Remote Desktop Software
t1219.003 | command-and-control | Remote Access Hardware
t1222 | defense-impairment | File and Directory Permissions Modification
t1222.002 | defense-impairment | Linux and Mac Permissions
t1480 | stealth | Execution Guardrails
t1480.001 | stealth | Environmental Keying
t1480.002 | stealth | Mutual Exclusion
t1485 | impact | Data Destruction
t1486 | impact | Data Encrypted for Impact
t1489 | impact | Service Stop
t1490 | impact | Inhibit System Recovery
t1491 | impact | Defacement
t1491.001 | impact | Internal Defacement
t1491.002 | impact | External Defacement
t1495 | impact | Firmware Corruption
t1496 | impact | Resource Hijacking
t1496.001 | impact | Compute Hijacking
t1496.002 | impact | Bandwidth Hijacking
t1497 | stealth, discovery | Virtualization/Sandbox Evasion
t1497.001 | stealth, discovery | System Checks
t1497.002 | stealth, discovery | User Activity Based Checks
t1497.003 | stealth, discovery | Time Based Checks
t1498 | impact | Network Denial of Service
t1498.001 | impact | Direct Network Flood
t1498.002 | impact | Reflection Amplification
t1499 | impact | Endpoint Denial of Service
t1499.001 | impact | OS Exhaustion Flood
t1499.002 | impact | Service Exhaustion Flood
t1499.003 | impact | Application Exhaustion Flood
t1499.004 | impact | Application or System Exploitation
t1505 | persistence | Server Software Component
t1505.001 | persistence | SQL Stored Procedures
t1505.002 | persistence | Transport Agent
t1505.003 | persistence | Web Shell
t1518 | discovery | Software Discovery
t1518.001 | discovery | Security Software Discovery
t1518.002 | discovery | Backup Software Discovery
t1525 | persistence | Implant Internal Image
t1526 | discovery | Cloud Service Discovery
t1528 | credential-access | Steal Application Access Token
t1529 | impact | System Shutdown/Reboot
t1530 | collection | Data from Cloud Storage Object
t1531 | impact | Account Access Removal
t1534 | lateral-movement | Internal Spearphishing
t1537 | exfiltration | Transfer Data to Cloud Account
t1538 | discovery | Cloud Service Dashboard
t1539 | credential-access | Steal Web Session Cookie
t1542 | stealth, persistence | Pre-OS Boot
t1542.001 | stealth, persistence | System Firmware
t1542.002 | stealth, persistence | Component Firmware
t1542.003 | stealth, persistence | Bootkit
t1542.004 | stealth, persistence | ROMMONkit
t1542.005 | stealth, persistence | TFTP Boot
t1543 | persistence, privilege-escalation | Create or Modify System Process
t1543.002 | persistence, privilege-escalation | Systemd Service
t1543.005 | persistence, privilege-escalation | Container Service
t1546 | privilege-escalation, persistence | Event Triggered Execution
t1546.004 | privilege-escalation, persistence | Unix Shell Configuration Modification
t1546.005 | privilege-escalation, persistence | Trap
t1546.016 | privilege-escalation, persistence | Installer Packages
t1546.017 | persistence, privilege-escalation | Udev Rules
t1546.018 | persistence, privilege-escalation | Python Startup Hooks
t1547 | persistence, privilege-escalation | Boot or Logon Autostart Execution
t1547.006 | persistence, privilege-escalation | Kernel Modules and Extensions
t1547.013 | persistence, privilege-escalation | XDG Autostart Entries
t1548 | privilege-escalation | Abuse Elevation Control Mechanism
t1548.001 | privilege-escalation | Setuid and Setgid
t1548.003 | privilege-escalation | Sudo and Sudo Caching
t1550 | lateral-movement | Use Alternate Authentication Material
t1550.001 | lateral-movement | Application Access Token
t1552 | credential-access | Unsecured Credentials
t1552.001 | credential-access | Credentials In Files
t1552.003 | credential-access | Shell History
t1552.004 | credential-access | Private Keys
t1552.005 | credential-access | Cloud Instance Metadata API
t1552.007 | credential-access | Container API
t1553 | defense-impairment | Subvert Trust Controls
t1553.004 | defense-impairment | Install Root Certificate
t1554 | persistence | Compromise Host Software Binary
t1555 | credential-access | Credentials from Password Stores
t1555.002 | credential-access | Securityd Memory
t1555.003 | credential-access | Credentials from Web Browsers
t1555.005 | credential-access | Password Managers
t1555.006 | credential-access | Cloud Secrets Management Stores
t1556 | defense-impairment, persistence, credential-access | Modify Authentication Process
t1556.003 | defense-impairment, persistence, credential-access | Pluggable Authentication Modules
t1556.004 | defense-impairment, persistence, credential-access | Network Device Authentication
t1556.006 | defense-impairment, persistence, credential-access | Multi-Factor Authentication
t1557 | credential-access, collection | Adversary-in-the-Middle
t1557.002 | credential-access, collection | ARP Cache Poisoning
t1557.003 | credential-access, collection | DHCP Spoofing
t1557.004 | credential-access, collection | Evil Twin
t1558 | credential-access | Steal or Forge Kerberos Tickets
t1558.005 | credential-access | Ccache Files
t1559 | execution | Inter-Process Communication
t1560 | collection | Archive Collected Data
t1560.001 | collection | Archive via Utility
t1560.002 | collection | Archive via Library
t1560.003 | collection | Archive via Custom Method
t1561 | impact | Disk Wipe
t1561.001 | impact | Disk Content Wipe
t1561.002 | impact | Disk Structure Wipe
t1563 | lateral-movement | Remote Service Session Hijacking
t1563.001 | lateral-movement | SSH Hijacking
t1564 | stealth | Hide Artifacts
t1564.001 | stealth | Hidden Files and Directories
t1564.002 | stealth | Hidden Users
t1564.003 | stealth | Hidden Window
t1564.005 | stealth | Hidden File System
t1564.006 | stealth | Run Virtual Instance
t1564.007 | stealth | VBA Stomping
t1564.008 | stealth | Email Hiding Rules
t1564.011 | stealth | Ignore Process Interrupts
t1564.012 | stealth | File/Path Exclusions
t1564.013 | stealth | Bind Mounts
t1564.014 | stealth | Extended Attributes
t1565 | impact | Data Manipulation
t1565.001 | impact | Stored Data Manipulation
t1565.002 | impact | Transmitted Data Manipulation
t1565.003 | impact | Runtime Data Manipulation
t1566 | initial-access | Phishing
t1566.001 | initial-access | Spearphishing Attachment
t1566.002 | initial-access | Spearphishing Link
t1566.003 | initial-access | Spearphishing via Service
t1566.004 | initial-access | Spearphishing Voice
t1567 | exfiltration | Exfiltration Over Web Service
t1567.001 | exfiltration | Exfiltration to Code Repository
t1567.002 | exfiltration | Exfiltration to Cloud Storage
t1567.003 | exfiltration | Exfiltration to Text Storage Sites
t1567.004 | exfiltration | Exfiltration Over Webhook
t1568 | command-and-control | Dynamic Resolution
t1568.001 | command-and-control | Fast Flux DNS
t1568.002 | command-and-control | Domain Generation Algorithms
t1568.003 | command-and-control | DNS Calculation
t1569 | execution | System Services
t1569.003 | execution | Systemctl
t1570 | lateral-movement | Lateral Tool Transfer
t1571 | command-and-control | Non-Standard Port
t1572 | command-and-control | Protocol Tunneling
t1573 | command-and-control | Encrypted Channel
t1573.001 | command-and-control | Symmetric Cryptography
t1573.002 | command-and-control | Asymmetric Cryptography
t1574 | stealth, execution | Hijack Execution Flow
t1574.001 | stealth, execution | DLL
t1574.006 | stealth, execution | Dynamic Linker Hijacking
t1574.007 | stealth, execution | Path Interception by PATH Environment Variable
t1580 | discovery | Cloud Infrastructure Discovery
t1599 | defense-impairment | Network Boundary Bridging
t1599.001 | defense-impairment | Network Address Translation Traversal
t1600 | defense-impairment | Weaken Encryption
t1600.001 | defense-impairment | Reduce Key Space
t1600.002 | defense-impairment | Disable Crypto Hardware
t1601 | defense-impairment | Modify System Image
t1601.001 | defense-impairment | Patch System Image
t1601.002 | defense-impairment | Downgrade System Image
t1602 | collection | Data from Configuration Repository
t1602.001 | collection | SNMP (MIB Dump)
t1602.002 | collection | Network Device Configuration Dump
t1606 | credential-access | Forge Web Credentials
t1606.001 | credential-access | Web Cookies
t1609 | execution | Container Administration Command
t1610 | execution | Deploy Container
t1611 | privilege-escalation | Escape to Host
t1612 | stealth | Build Image on Host
t1613 | discovery | Container and Resource Discovery
t1614 | discovery | System Location Discovery
t1614.001 | discovery | System Language Discovery
t1619 | discovery | Cloud Storage Object Discovery
t1620 | stealth | Reflective Code Loading
t1621 | credential-access | Multi-Factor Authentication Request Generation
t1622 | stealth, discovery | Debugger Evasion
t1649 | credential-access | Steal or Forge Authentication Certificates
t1651 | execution | Cloud Administration Command
t1652 | discovery | Device Driver Discovery
t1653 | persistence | Power Settings
t1654 | discovery | Log Enumeration
t1657 | impact | Financial Theft
t1659 | initial-access, command-and-control | Content Injection
t1665 | command-and-control | Hide Infrastructure
t1667 | impact | Email Bombing
t1668 | persistence | Exclusive Control
t1669 | initial-access | Wi-Fi Networks
t1673 | discovery | Virtual Machine Discovery
t1674 | execution | Input Injection
t1678 | stealth | Delay Execution
t1680 | discovery | Local Storage Discovery
t1684 | stealth | Social Engineering
t1684.001 | stealth | Impersonation
t1684.002 | stealth | Email Spoofing
t1685 | defense-impairment | Disable or Modify Tools
t1685.001 | defense-impairment | Disable or Modify Windows Event Log
t1685.002 | defense-impairment | Disable or Modify Cloud Log
t1685.003 | defense-impairment | Modify or Spoof Tool UI
t1685.004 | defense-impairment | Disable or Modify Linux Audit System Log
t1685.005 | defense-impairment | Clear Windows Event Logs
t1685.006 | defense-impairment | Clear Linux or Mac System Logs
t1686 | defense-impairment | Disable or Modify System Firewall
t1686.001 | defense-impairment | Cloud Firewall
t1686.002 | defense-impairment | Network Device Firewall
t1686.003 | defense-impairment | Windows Host Firewall
t1687 | defense-impairment | Exploitation for Defense Impairment
t1688 | defense-impairment | Safe Mode Boot
t1689 | defense-impairment | Downgrade Attack
t1690 | defense-impairment | Prevent Command History Logging
`;
