/**
 * The controls that a rule may support evidence for: id and name in short. A tag never says that anybody
 * complies. CIS numbers are those of the Kubernetes benchmark 1.12 (as https://github.com/aquasecurity/
 * kube-bench has it), which managed editions number otherwise; PCI DSS 4.0.1; NIST SP 800-53 revision 5,
 * with enhancements as the catalogue's own ids write them: SC-7(5) is sc-7.5.
 */

export const cisControls = `
1.2.1 | API server: anonymous authentication
2.1 | etcd: server certificate and key
2.2 | etcd: client certificates are demanded
3.2.1 | A minimal audit policy is created
3.2.2 | The audit policy covers key security concerns
4.2.1 | Kubelet: anonymous authentication is off
4.2.2 | Kubelet: authorization mode is not AlwaysAllow
4.2.3 | Kubelet: client certificate authority
4.2.4 | Kubelet: the read-only port is off
5.1.1 | The cluster-admin role is only used where required
5.1.2 | Minimize access to secrets
5.1.3 | Minimize wildcard use in Roles and ClusterRoles
5.1.4 | Minimize access to create pods
5.1.5 | Default service accounts are not actively used
5.1.6 | Service account tokens are only mounted where necessary
5.1.7 | Avoid use of the system:masters group
5.1.8 | Limit use of the bind, impersonate and escalate permissions
5.1.9 | Minimize access to create persistent volumes
5.1.10 | Minimize access to the proxy sub-resource of nodes
5.1.11 | Minimize access to the approval of certificate signing requests
5.1.12 | Minimize access to webhook configuration objects
5.1.13 | Minimize access to service account token creation
5.2.1 | At least one active policy control mechanism is in place
5.2.2 | Minimize the admission of privileged containers
5.2.3 | Minimize containers that share the host process ID namespace
5.2.4 | Minimize containers that share the host IPC namespace
5.2.5 | Minimize containers that share the host network namespace
5.2.6 | Minimize containers with allowPrivilegeEscalation
5.2.7 | Minimize the admission of root containers
5.2.8 | Minimize containers with the NET_RAW capability
5.2.9 | Minimize containers with capabilities assigned
5.2.10 | Minimize Windows HostProcess containers
5.2.11 | Minimize the admission of HostPath volumes
5.2.12 | Minimize containers that use HostPorts
5.3.1 | The CNI in use supports NetworkPolicies
5.3.2 | All namespaces have NetworkPolicies defined
5.4.1 | Prefer secrets as files over secrets as environment variables
5.4.2 | Consider external secret storage
5.5.1 | Image provenance by an admission controller
5.6.1 | Administrative boundaries between resources by namespaces
5.6.2 | The seccomp profile is the runtime's default
5.6.3 | A security context applies to pods and containers
5.6.4 | The default namespace is not used
`;

export const pciControls = `
1.2 | Network security controls are configured and maintained
1.2.1 | Configuration standards for rulesets of network security controls
1.2.5 | Services, protocols and ports allowed have a business need
1.2.6 | Security features for services, protocols and ports that are insecure
1.2.7 | Configurations of network security controls are reviewed
1.2.8 | Configuration files of network security controls are secured
1.3 | Network access to and from the cardholder data environment is restricted
1.3.1 | Inbound traffic to the cardholder data environment is restricted
1.3.2 | Outbound traffic from the cardholder data environment is restricted
1.4 | Connections between trusted and untrusted networks are controlled
1.4.1 | Network security controls between trusted and untrusted networks
1.4.2 | Inbound traffic from untrusted networks is restricted
1.4.3 | Anti-spoofing measures
1.4.4 | Components that store cardholder data are not reachable from untrusted networks
1.4.5 | Disclosure of internal addresses and routing is limited
2.2 | System components are configured and managed securely
2.2.1 | Configuration standards cover all system components
2.2.2 | Vendor default accounts are managed
2.2.3 | Primary functions of different security levels are separated
2.2.4 | Only necessary services, protocols, daemons and functions are enabled
2.2.5 | Insecure services, protocols or daemons are justified and secured
2.2.6 | System security parameters prevent misuse
2.2.7 | Non-console administrative access is encrypted
4.2 | Account data is protected with strong cryptography during transmission
4.2.1 | Strong cryptography over open, public networks
4.2.1.1 | An inventory of trusted keys and certificates
6.3 | Security vulnerabilities are identified and addressed
6.3.3 | Components are protected from known vulnerabilities by patches
7.2 | Access to system components and data is defined and assigned
7.2.1 | An access control model is defined
7.2.2 | Access is assigned by job function and least privilege
7.2.5 | Application and system accounts have least privilege
7.3 | Access is managed by an access control system
7.3.3 | The access control system denies all by default
8.2.1 | Every user has a unique id
8.3.2 | Authentication factors are unreadable in transmission and storage
8.6 | Use of application and system accounts is strictly managed
8.6.1 | Interactive login of system and application accounts is managed
8.6.2 | Passwords of such accounts are not hard coded
8.6.3 | Passwords of such accounts are protected against misuse
10.2 | Audit logs support the detection of anomalies
10.2.1 | Audit logs are enabled and active
10.2.1.4 | Audit logs capture invalid logical access attempts
10.2.1.6 | Audit logs capture their own starting, stopping and pausing
10.2.2 | Audit logs record sufficient details of each event
10.3 | Audit logs are protected
10.4 | Audit logs are reviewed
10.4.1 | Audit logs are reviewed daily
10.4.1.1 | Automated mechanisms review audit logs
10.5 | Audit log history is retained
10.5.1 | Audit logs are retained for at least 12 months
10.6 | Time synchronization is consistent across systems
10.6.1 | System clocks are synchronized
10.7 | Failures of critical security control systems are detected
10.7.1 | Failures of critical security controls: service providers
10.7.2 | Failures of critical security controls are detected and addressed
10.7.3 | Failures of critical security controls are responded to
11.4 | Penetration testing and correction of weaknesses
11.4.5 | Segmentation controls are tested
11.5 | Network intrusions and file changes are detected
11.5.1 | Intrusion detection or prevention techniques
11.5.1.1 | Covert malware communication channels are detected
11.5.2 | A change-detection mechanism
12.10 | Suspected incidents are responded to immediately
12.10.5 | The response plan covers alerts of security monitoring systems
`;

export const nistControls = `
ac-1 | Policy and Procedures
ac-2 | Account Management
ac-3 | Access Enforcement
ac-4 | Information Flow Enforcement
ac-4.4 | Flow Control of Encrypted Information
ac-4.21 | Physical or Logical Separation of Information Flows
ac-5 | Separation of Duties
ac-6 | Least Privilege
ac-6.1 | Authorize Access to Security Functions
ac-6.5 | Privileged Accounts
ac-6.8 | Privilege Levels for Code Execution
ac-6.9 | Log Use of Privileged Functions
ac-6.10 | Prohibit Non-privileged Users from Executing Privileged Functions
ac-7 | Unsuccessful Logon Attempts
ac-10 | Concurrent Session Control
ac-12 | Session Termination
ac-14 | Permitted Actions Without Identification or Authentication
ac-16 | Security and Privacy Attributes
ac-17 | Remote Access
ac-20 | Use of External Systems
ac-21 | Information Sharing
ac-23 | Data Mining Protection
ac-24 | Access Control Decisions
ac-25 | Reference Monitor
au-2 | Event Logging
au-3 | Content of Audit Records
au-4 | Audit Log Storage Capacity
au-5 | Response to Audit Logging Process Failures
au-5.1 | Storage Capacity Warning
au-5.2 | Real-time Alerts
au-6 | Audit Record Review, Analysis, and Reporting
au-6.1 | Automated Process Integration
au-6.3 | Correlate Audit Record Repositories
au-7 | Audit Record Reduction and Report Generation
au-8 | Time Stamps
au-9 | Protection of Audit Information
au-10 | Non-repudiation
au-11 | Audit Record Retention
au-12 | Audit Record Generation
au-12.1 | System-wide and Time-correlated Audit Trail
au-13 | Monitoring for Information Disclosure
au-14 | Session Audit
au-16 | Cross-organizational Audit Logging
ca-3 | Information Exchange
ca-7 | Continuous Monitoring
ca-8 | Penetration Testing
ca-9 | Internal System Connections
cm-2 | Baseline Configuration
cm-3 | Configuration Change Control
cm-4 | Impact Analyses
cm-5 | Access Restrictions for Change
cm-6 | Configuration Settings
cm-6.1 | Automated Management, Application, and Verification
cm-6.2 | Respond to Unauthorized Changes
cm-7 | Least Functionality
cm-7.1 | Periodic Review
cm-7.2 | Prevent Program Execution
cm-7.5 | Authorized Software - Allow-by-exception
cm-8 | System Component Inventory
cm-8.2 | Automated Maintenance
cm-8.3 | Automated Unauthorized Component Detection
cm-10 | Software Usage Restrictions
cm-11 | User-installed Software
cm-12 | Information Location
cm-14 | Signed Components
cp-9 | System Backup
cp-10 | System Recovery and Reconstitution
ia-2 | Identification and Authentication (Organizational Users)
ia-3 | Device Identification and Authentication
ia-3.1 | Cryptographic Bidirectional Authentication
ia-4 | Identifier Management
ia-5 | Authenticator Management
ia-5.2 | Public Key-based Authentication
ia-5.7 | No Embedded Unencrypted Static Authenticators
ia-7 | Cryptographic Module Authentication
ia-8 | Identification and Authentication (Non-organizational Users)
ia-9 | Service Identification and Authentication
ia-10 | Adaptive Authentication
ia-11 | Re-authentication
ir-4 | Incident Handling
ir-5 | Incident Monitoring
ir-6 | Incident Reporting
ra-3 | Risk Assessment
ra-5 | Vulnerability Monitoring and Scanning
ra-10 | Threat Hunting
sa-8 | Security and Privacy Engineering Principles
sa-9 | External System Services
sa-10 | Developer Configuration Management
sa-22 | Unsupported System Components
sc-2 | Separation of System and User Functionality
sc-3 | Security Function Isolation
sc-4 | Information in Shared System Resources
sc-5 | Denial-of-service Protection
sc-6 | Resource Availability
sc-7 | Boundary Protection
sc-7.3 | Access Points
sc-7.4 | External Telecommunications Services
sc-7.5 | Deny by Default - Allow by Exception
sc-7.8 | Route Traffic to Authenticated Proxy Servers
sc-7.9 | Restrict Threatening Outgoing Communications Traffic
sc-7.10 | Prevent Exfiltration
sc-7.11 | Restrict Incoming Communications Traffic
sc-7.12 | Host-based Protection
sc-7.18 | Fail Secure
sc-7.20 | Dynamic Isolation and Segregation
sc-7.21 | Isolation of System Components
sc-8 | Transmission Confidentiality and Integrity
sc-8.1 | Cryptographic Protection
sc-10 | Network Disconnect
sc-11 | Trusted Path
sc-12 | Cryptographic Key Establishment and Management
sc-13 | Cryptographic Protection
sc-16 | Transmission of Security and Privacy Attributes
sc-17 | Public Key Infrastructure Certificates
sc-18 | Mobile Code
sc-20 | Secure Name/Address Resolution Service (Authoritative Source)
sc-21 | Secure Name/Address Resolution Service (Recursive or Caching Resolver)
sc-22 | Architecture and Provisioning for Name/Address Resolution Service
sc-23 | Session Authenticity
sc-24 | Fail in Known State
sc-26 | Decoys
sc-28 | Protection of Information at Rest
sc-28.1 | Cryptographic Protection
sc-31 | Covert Channel Analysis
sc-32 | System Partitioning
sc-39 | Process Isolation
sc-45 | System Time Synchronization
sc-45.1 | Synchronization with Authoritative Time Source
sc-46 | Cross Domain Policy Enforcement
sc-50 | Software-enforced Separation and Policy Enforcement
si-2 | Flaw Remediation
si-3 | Malicious Code Protection
si-4 | System Monitoring
si-4.1 | System-wide Intrusion Detection System
si-4.2 | Automated Tools and Mechanisms for Real-time Analysis
si-4.4 | Inbound and Outbound Communications Traffic
si-4.5 | System-generated Alerts
si-4.10 | Visibility of Encrypted Communications
si-4.11 | Analyze Communications Traffic Anomalies
si-4.12 | Automated Organization-generated Alerts
si-4.13 | Analyze Traffic and Event Patterns
si-4.18 | Analyze Traffic and Covert Exfiltration
si-4.20 | Privileged Users
si-4.22 | Unauthorized Network Services
si-4.23 | Host-based Devices
si-4.24 | Indicators of Compromise
si-5 | Security Alerts, Advisories, and Directives
si-6 | Security and Privacy Function Verification
si-7 | Software, Firmware, and Information Integrity
si-7.1 | Integrity Checks
si-7.7 | Integration of Detection and Response
si-10 | Information Input Validation
si-11 | Error Handling
si-12 | Information Management and Retention
si-14 | Non-persistence
si-15 | Information Output Filtering
si-16 | Memory Protection
si-17 | Fail-safe Procedures
sr-3 | Supply Chain Controls and Processes
sr-4 | Provenance
sr-11 | Component Authenticity
`;
