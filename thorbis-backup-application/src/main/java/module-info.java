import com.thorbis.backup.application.files.FilesEngineFactory;
import com.thorbis.backup.application.internal.ApplicationFactory;
import com.thorbis.backup.application.internal.EnvFileFactory;
import com.thorbis.backup.application.internal.GitHubActionsFactory;
import com.thorbis.backup.application.internal.KubernetesFactory;
import com.thorbis.backup.application.internal.SupabaseFactory;
import com.thorbis.backup.application.internal.VaultKvFactory;
import com.thorbis.backup.application.internal.VercelFactory;
import com.thorbis.backup.application.secrets.SecretsEngineFactory;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.secret.SecretTargetFactory;

/** What surrounds a database: files, applications, secrets, and the platforms that hold them. */
module com.thorbis.backup.application {
  requires com.fasterxml.jackson.core;
  requires transitive com.thorbis.backup.api;
  requires transitive com.thorbis.backup.crypto;
  requires transitive java.net.http;
  requires org.apache.sshd.osgi;
  requires org.bouncycastle.provider;
  requires org.eclipse.jgit;
  requires org.slf4j;
  requires static org.jspecify;

  exports com.thorbis.backup.application.app;
  exports com.thorbis.backup.application.files;
  exports com.thorbis.backup.application.platform;
  exports com.thorbis.backup.application.secrets;

  provides SecretTargetFactory with
      EnvFileFactory,
      GitHubActionsFactory,
      KubernetesFactory,
      SupabaseFactory,
      VaultKvFactory,
      VercelFactory;
  provides SourceEngineFactory with
      ApplicationFactory.Api,
      ApplicationFactory.NextJs,
      ApplicationFactory.StaticSite,
      FilesEngineFactory,
      SecretsEngineFactory;
}
